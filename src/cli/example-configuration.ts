/** What `kong config init` writes: a declarative file to begin with. */

export const EXAMPLE_CONFIGURATION = `# Declarative configuration: everything that a node proxies, in one file.
#
#   kong config parse kong.yml        checks it
#   kong config db_import kong.yml    writes it into the store of a node or control plane
#
# A node without a store reads it at start: storage = memory, declarative_config = kong.yml

_format_version: "3.0"
_transform: true

# Each entity may stand at the top level, or below the one that it belongs to.
#
# services:
# - name: example
#   url: http://127.0.0.1:9000
#   routes:
#   - name: example
#     paths:
#     - /example
#   plugins:
#   - name: key-auth
#
# consumers:
# - username: alice
#   keyauth_credentials:
#   - key: a-secret-key
#
# Names refer to entities that are elsewhere in the file:
#
# plugins:
# - name: rate-limiting
#   service: example
#   config:
#     minute: 60
#     policy: local
`

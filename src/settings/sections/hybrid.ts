/** Hybrid mode: which half of the gateway this node is, and how the halves find and trust one another. */
import {
  array,
  boolean,
  certificate,
  choice,
  endpoints,
  listen,
  number,
  privateKey,
  revocationLists,
  section,
  size,
  string,
} from '../property.ts'

const kongWireOnly = 'it concerns a wire format of Kong that is not spoken here'

export const hybrid = section(
  'Hybrid mode',
  'A control plane (`role = admin`) owns the configuration; data planes (`role = proxy`) fetch it and proxy traffic.',
  {
    role: choice(
      ['admin', 'proxy', 'traditional'],
      'traditional',
      'What this node does: `admin` serves the Admin API and configures data planes, `proxy` proxies traffic with the ' +
        "configuration of a control plane, `traditional` does both. Kong's `control_plane` and `data_plane` mean " +
        '`admin` and `proxy`.',
      { synonyms: { control_plane: 'admin', data_plane: 'proxy' } },
    ),
    cluster_listen: listen(
      '0.0.0.0:8002',
      'Addresses on which a control plane waits for data planes, always over TLS. (Kong: 8005.)',
    ),
    cluster_control_plane: endpoints(
      '127.0.0.1:8002',
      'Control planes of a data plane, as `host:port`. With several, comma-separated, it fails over between them.',
    ),
    cluster_mtls: choice(
      ['enroll', 'shared', 'pki'],
      null,
      'How nodes trust one another. `enroll`: the control plane runs a certificate authority and admits data planes by ' +
        'join token, approval, or because they are on the same machine. `shared`: all nodes have the same certificate. ' +
        '`pki`: certificates of a common authority. Default: `enroll`, or `shared` when `cluster_cert` is given.',
    ),
    cluster_cert: certificate(
      'Certificate of this node for `shared` and `pki`: path, PEM text, or base64 of PEM text.',
    ),
    cluster_cert_key: privateKey('Private key of `cluster_cert`: path, PEM text, or base64 of PEM text.'),
    cluster_ca_cert: certificate(
      "Certificate of the authority that signs the nodes' certificates in `pki`; needed on the control plane.",
    ),
    cluster_crl: revocationLists(
      'Revocation lists of the authorities in `pki`, one for each authority of a chain: path, PEM text, or base64 of PEM ' +
        'text. Control planes let no data plane in whose certificate is revoked, or whose list has run out. Read anew by ' +
        '`kong reload`, upon which data planes connect again.',
    ),
    cluster_join_token: string(
      null,
      'Token from `kong hybrid token` with which a data plane joins in `enroll`; needed once, it also pins the ' +
        'certificate authority of the control plane. Read at the start only, and not kept in the prefix.',
      { sensitive: true, transient: true },
    ),
    cluster_auto_approve: choice(
      ['loopback', 'off'],
      'loopback',
      'Which data planes are admitted without token or approval in `enroll`: those that connect from this machine, or ' +
        'none.',
    ),
    cluster_server_name: string(
      null,
      "Name that a data plane expects in the control plane's certificate in `pki`. Default: the host it connects to.",
    ),
    cluster_ocsp: choice(
      ['on', 'off', 'optional'],
      'off',
      'Kong asks the certificate authority of a data plane in `pki` whether its certificate is revoked. No authority is asked ' +
        'here: `on` is refused, see `cluster_crl`.',
    ),
    cluster_data_plane_purge_delay: number(
      '1209600',
      'Seconds after which a data plane that is gone leaves the list of known ones.',
    ),
    cluster_max_payload: number(
      '16777216',
      "Largest message of Kong's wire format, in bytes. Our own wire is chunked and has no such limit.",
    ),
    cluster_use_proxy: boolean('off', 'Reach the control plane through `proxy_server`.'),
    cluster_dp_labels: array(null, 'Labels of a data plane, `key:value`, at most ten; the control plane lists them.'),
    saved_config_path: string(
      'saved-config.db',
      'File in which a data plane, or a node without a database, keeps its configuration, relative to the prefix.',
    ),
    saved_config_encryption_key: string(
      null,
      'Secret from which the key is derived that encrypts the saved configuration at rest.',
      { sensitive: true },
    ),
    cluster_rpc: boolean('off', 'Use the JSON-RPC connection of Kong 3.9.', { without_effect: kongWireOnly }),
    cluster_incremental_sync: boolean('off', 'Use the incremental synchronisation of Kong 3.9.', {
      without_effect: 'our own wire always sends deltas',
    }),
    cluster_rpc_sync: boolean(null, 'Name of `cluster_incremental_sync` since Kong 3.10.', {
      alias_of: 'cluster_incremental_sync',
    }),
    cluster_cjson: boolean('off', 'Choose the JSON decoder of Kong.', { without_effect: kongWireOnly }),
    lmdb_environment_path: string('dbless.lmdb', "Folder of Kong's local database.", {
      without_effect: 'the configuration is saved as saved_config_path says',
    }),
    lmdb_map_size: size(
      '2048m',
      'Largest size of the saved configuration; a new one is written beside the one that is served. One that does not ' +
        'fit is refused.',
    ),
  },
)

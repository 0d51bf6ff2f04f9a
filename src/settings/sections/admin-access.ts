/** Who may use the Admin API, how much of it, and what is remembered of changes. All of these are our own. */
import { array, boolean, certificates, number, revocationLists, section, string } from '../property.ts'

export const adminAccess = section(
  'Access to the Admin API',
  'Whoever reaches the Admin API owns the gateway. By default it listens on loopback only and asks for nothing, as ' +
    "Kong's does; these settings make it safe to reach from elsewhere.",
  {
    admin_auth: boolean(
      'off',
      'Ask every request to the Admin API for a bearer token (`Authorization: Bearer ...` or `Kong-Admin-Token: ...`) ' +
        'or a client certificate of `admin_client_ca`.',
    ),
    admin_token: string(
      null,
      'Token of the first administrator, at least 16 characters; others are made with it at `/admin-tokens`. Commands ' +
        'of `kong` on the same machine use it, too.',
      { sensitive: true },
    ),
    admin_client_ca: certificates(
      'Authorities whose client certificates stand for a token on TLS listeners: path, PEM text, or base64 of PEM text.',
    ),
    admin_client_crl: revocationLists(
      'Revocation lists of the authorities in `admin_client_ca`, one for each authority of a chain: path, PEM text, or ' +
        'base64 of PEM text. A revoked certificate counts for nothing, and neither does one whose list has run out. Read ' +
        'anew by `kong reload`.',
    ),
    admin_read_only_clients: array(
      null,
      'Common names of client certificates that may only read; all others of `admin_client_ca` may change everything.',
    ),
    admin_rate_limit: number(
      '0',
      'Requests per second that one client address may send to the Admin API, with a burst of ten seconds; 0 is no limit.',
      { integer: true, between: [0, 100_000] },
    ),
    admin_audit_log: boolean(
      'off',
      'Remember every change made through the Admin API, and imports by `kong config db_import`: who, when, from where, what, before and after, secrets masked. ' +
        'Read at `/audit-log`.',
    ),
    admin_audit_log_days: number('90', 'Days until an entry of the audit log is forgotten.', {
      integer: true,
      between: [1, 3650],
    }),
    admin_audit_log_entries: number(
      '100000',
      'Entries that the audit log keeps; beyond them the oldest are forgotten. Most take about 1 KiB, none more than 300.',
      { integer: true, between: [100, 10_000_000] },
    ),
  },
)

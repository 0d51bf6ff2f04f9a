/** Entities and plugins as types. Generated from the schemas by scripts/generate-docs.ts; not to be edited. */

/** `config` of correlation-id: Add an id to requests, to follow them through systems. */
export interface CorrelationIdConfig {
  /** Header that carries the id. Default: `"Kong-Request-ID"`. */
  header_name?: string | null
  /** How an id is made. Default: `"uuid#counter"`. */
  generator?: 'uuid' | 'uuid#counter' | 'tracker' | null
  /** Send the id to the client too. Default: `false`. */
  echo_downstream?: boolean | null
}

/** `config` of cors: Let browsers of other origins use an API. */
export interface CorsConfig {
  /** Origins that are allowed; all, if there is none. */
  origins?: readonly string[] | null
  /** Request headers that are allowed; those asked for, if there is none. */
  headers?: readonly string[] | null
  /** Response headers that scripts may read. */
  exposed_headers?: readonly string[] | null
  /** Methods that are allowed. Default: `["GET","HEAD","PUT","PATCH","POST","DELETE","OPTIONS","TRACE","CONNECT"]`. */
  methods?: readonly ('GET' | 'HEAD' | 'PUT' | 'PATCH' | 'POST' | 'DELETE' | 'OPTIONS' | 'TRACE' | 'CONNECT')[] | null
  /** Seconds for which a browser may remember the answer to a preflight. */
  max_age?: number | null
  /** Allow requests with cookies or other credentials. Default: `false`. */
  credentials?: boolean | null
  /** Allow requests from public pages to a private network. Default: `false`. */
  private_network?: boolean | null
  /** Proxy preflight requests instead of answering them. Default: `false`. */
  preflight_continue?: boolean | null
}

/** `config` of http-log: Send request and response logs to an HTTP server. */
export interface HttpLogConfig {
  /** Where entries are sent; user information in it becomes basic authentication. */
  http_endpoint: string
  /** Method of the requests. Default: `"POST"`. */
  method?: 'POST' | 'PUT' | 'PATCH' | null
  /** Content type of the requests. Default: `"application/json"`. */
  content_type?: 'application/json' | 'application/json; charset=utf-8' | null
  /** Milliseconds without progress until a request fails. Default: `10000`. */
  timeout?: number | null
  /** Milliseconds for which an idle connection is kept. Default: `60000`. */
  keepalive?: number | null
  /** Without effect; see `queue.max_retry_time`. @deprecated */
  retry_count?: number | null
  /** Old name of `queue.max_batch_size`. @deprecated */
  queue_size?: number | null
  /** Old name of `queue.max_coalescing_delay`. @deprecated */
  flush_timeout?: number | null
  /** Further headers of the requests. */
  headers?: Readonly<Record<string, string>> | null
  queue?: {
    /** Default: `1`. */
    max_batch_size?: number | null
    /** Default: `1`. */
    max_coalescing_delay?: number | null
    /** Default: `10000`. */
    max_entries?: number | null
    max_bytes?: number | null
    /** Default: `60`. */
    max_retry_time?: number | null
    /** Default: `0.01`. */
    initial_retry_delay?: number | null
    /** Default: `60`. */
    max_retry_delay?: number | null
    /** Default: `1`. */
    concurrency_limit?: -1 | 1 | null
  } | null
  /** Members to set in the entry, or to remove from it. */
  custom_fields_by_lua?: Readonly<Record<string, string>> | null
}

/** `config` of ip-restriction: Allow or deny clients by IP address. */
export interface IpRestrictionConfig {
  /** Addresses and CIDR ranges that are let in. */
  allow?: readonly string[] | null
  /** Addresses and CIDR ranges that are refused. */
  deny?: readonly string[] | null
  /** Status of a refusal; 403 if not set. */
  status?: number | null
  /** Message of a refusal. */
  message?: string | null
}

/** `config` of key-auth: Require an API key. */
export interface KeyAuthConfig {
  /** Names of the header, query argument or body member that carries the key. Default: `["apikey"]`. */
  key_names?: readonly string[] | null
  /** Remove the key from the request before it is proxied. Default: `false`. */
  hide_credentials?: boolean | null
  /** Id or username of the consumer that requests without a valid key are taken for. */
  anonymous?: string | null
  /** Look for the key in the headers. Default: `true`. */
  key_in_header?: boolean | null
  /** Look for the key in the query string. Default: `true`. */
  key_in_query?: boolean | null
  /** Look for the key in a form, JSON or multipart body. Default: `false`. */
  key_in_body?: boolean | null
  /** Require a key for `OPTIONS` requests too. Default: `true`. */
  run_on_preflight?: boolean | null
  /** Realm named in the `WWW-Authenticate` header of a refusal. */
  realm?: string | null
}

/** `config` of prometheus: Expose metrics to Prometheus. */
export interface PrometheusConfig {
  /** Fill the `consumer` label of request and bandwidth counters. Default: `false`. */
  per_consumer?: boolean | null
  /** Count requests by status. Default: `false`. */
  status_code_metrics?: boolean | null
  /** Count what AI plugins do. Default: `false`. */
  ai_metrics?: boolean | null
  /** Measure latencies. Default: `false`. */
  latency_metrics?: boolean | null
  /** Count bytes. Default: `false`. */
  bandwidth_metrics?: boolean | null
  /** Show the health of the targets of upstreams. Default: `false`. */
  upstream_health_metrics?: boolean | null
}

/** `config` of rate-limiting: Limit how many requests a client may make in a period. */
export interface RateLimitingConfig {
  /** Requests allowed per second. */
  second?: number | null
  /** Requests allowed per minute. */
  minute?: number | null
  /** Requests allowed per hour. */
  hour?: number | null
  /** Requests allowed per day. */
  day?: number | null
  /** Requests allowed per month. */
  month?: number | null
  /** Requests allowed per year. */
  year?: number | null
  /** What makes two requests count together; the client address where a request has none of it. Default: `"consumer"`. */
  limit_by?: 'consumer' | 'credential' | 'ip' | 'service' | 'header' | 'path' | null
  /** The header, with `limit_by: header`. */
  header_name?: string | null
  /** The path that is counted, with `limit_by: path`. */
  path?: string | null
  /** Where the counters are. Default: `"local"`. */
  policy?: 'local' | 'cluster' | 'redis' | null
  /** Let requests pass uncounted when the counters cannot be reached, instead of answering 500. Default: `true`. */
  fault_tolerant?: boolean | null
  /** Redis configuration */
  redis?: {
    /** A host name or address, without port. */
    host?: string | null
    /** A port number. Default: `6379`. */
    port?: number | null
    /** Milliseconds. Default: `2000`. */
    timeout?: number | null
    username?: string | null
    password?: string | null
    /** Default: `0`. */
    database?: number | null
    /** Default: `false`. */
    ssl?: boolean | null
    /** Default: `false`. */
    ssl_verify?: boolean | null
    /** A server name of TLS. */
    server_name?: string | null
  } | null
  /** Do not tell clients their limits and what remains. Default: `false`. */
  hide_client_headers?: boolean | null
  /** Status of a refusal. Default: `429`. */
  error_code?: number | null
  /** Message of a refusal. Default: `"API rate limit exceeded"`. */
  error_message?: string | null
  /** Seconds between exchanges with Redis; -1 asks it for every request. Default: `-1`. */
  sync_rate?: number | null
  /** @deprecated */
  redis_host?: string | null
  /** @deprecated */
  redis_port?: number | null
  /** @deprecated */
  redis_password?: string | null
  /** @deprecated */
  redis_username?: string | null
  /** @deprecated */
  redis_ssl?: boolean | null
  /** @deprecated */
  redis_ssl_verify?: boolean | null
  /** @deprecated */
  redis_server_name?: string | null
  /** @deprecated */
  redis_timeout?: number | null
  /** @deprecated */
  redis_database?: number | null
}

/** `config` of request-termination: Answer requests with a fixed response. */
export interface RequestTerminationConfig {
  /** Status of the answer. Default: `503`. */
  status_code?: number | null
  /** Message of the JSON answer. */
  message?: string | null
  /** Content type of `body`. */
  content_type?: string | null
  /** Body of the answer as it is, instead of a JSON message. */
  body?: string | null
  /** Answer with a JSON description of the request. Default: `false`. */
  echo?: boolean | null
  /** Answer only requests with a header or query argument of this name. */
  trigger?: string | null
}

/** `config` of request-transformer: Change requests before they are proxied. */
export interface RequestTransformerConfig {
  /** The method to use instead. */
  http_method?: string | null
  /** What to take away. */
  remove?: {
    /** Default: `[]`. */
    body?: readonly string[] | null
    /** Default: `[]`. */
    headers?: readonly string[] | null
    /** Default: `[]`. */
    querystring?: readonly string[] | null
  } | null
  /** Old and new names. */
  rename?: {
    /** Default: `[]`. */
    body?: readonly string[] | null
    /** Default: `[]`. */
    headers?: readonly string[] | null
    /** Default: `[]`. */
    querystring?: readonly string[] | null
  } | null
  /** New values for what is there. */
  replace?: {
    /** Default: `[]`. */
    body?: readonly string[] | null
    /** Default: `[]`. */
    headers?: readonly string[] | null
    /** Default: `[]`. */
    querystring?: readonly string[] | null
    /** The path to use instead. */
    uri?: string | null
  } | null
  /** What to add where it is missing. */
  add?: {
    /** Default: `[]`. */
    body?: readonly string[] | null
    /** Default: `[]`. */
    headers?: readonly string[] | null
    /** Default: `[]`. */
    querystring?: readonly string[] | null
  } | null
  /** What to add in any case. */
  append?: {
    /** Default: `[]`. */
    body?: readonly string[] | null
    /** Default: `[]`. */
    headers?: readonly string[] | null
    /** Default: `[]`. */
    querystring?: readonly string[] | null
  } | null
}

/** `config` of response-transformer: Change responses before they reach the client. */
export interface ResponseTransformerConfig {
  /** What to take away. */
  remove?: {
    /** Default: `[]`. */
    json?: readonly string[] | null
    /** Default: `[]`. */
    headers?: readonly string[] | null
  } | null
  /** Old and new names. */
  rename?: {
    /** Default: `[]`. */
    json?: readonly string[] | null
    /** Default: `[]`. */
    headers?: readonly string[] | null
  } | null
  /** New values for what is there. */
  replace?: {
    /** Default: `[]`. */
    json?: readonly string[] | null
    /** Types of the values in `json`, by position; text where there is none. Default: `[]`. */
    json_types?: readonly ('boolean' | 'number' | 'string')[] | null
    /** Default: `[]`. */
    headers?: readonly string[] | null
  } | null
  /** What to add where it is missing. */
  add?: {
    /** Default: `[]`. */
    json?: readonly string[] | null
    /** Types of the values in `json`, by position; text where there is none. Default: `[]`. */
    json_types?: readonly ('boolean' | 'number' | 'string')[] | null
    /** Default: `[]`. */
    headers?: readonly string[] | null
  } | null
  /** What to add in any case. */
  append?: {
    /** Default: `[]`. */
    json?: readonly string[] | null
    /** Types of the values in `json`, by position; text where there is none. Default: `[]`. */
    json_types?: readonly ('boolean' | 'number' | 'string')[] | null
    /** Default: `[]`. */
    headers?: readonly string[] | null
  } | null
}

/** By the name of the plugin. */
export interface PluginConfigs {
  readonly 'correlation-id': CorrelationIdConfig
  readonly 'cors': CorsConfig
  readonly 'http-log': HttpLogConfig
  readonly 'ip-restriction': IpRestrictionConfig
  readonly 'key-auth': KeyAuthConfig
  readonly 'prometheus': PrometheusConfig
  readonly 'rate-limiting': RateLimitingConfig
  readonly 'request-termination': RequestTerminationConfig
  readonly 'request-transformer': RequestTransformerConfig
  readonly 'response-transformer': ResponseTransformerConfig
}

export type PluginName = keyof PluginConfigs

/** A config as it is stored: with everything in it. */
export type Complete<Value> = Value extends readonly unknown[] | null | undefined
  ? Value
  : Value extends object
    ? { [Name in keyof Value]-?: Complete<Exclude<Value[Name], undefined>> }
    : Value

/** One of ca_certificates, as the Admin API answers it. */
export interface CaCertificate {
  /** A UUID; made if none is given. */
  id: string
  /** Seconds since the epoch; set by the gateway. */
  created_at: number
  /** Seconds since the epoch; set by the gateway. */
  updated_at: number
  /** A certificate in PEM. */
  cert: string
  cert_digest: string | null
  /** Labels for grouping and filtering. */
  tags: readonly string[] | null
}

/** One of ca_certificates, as the Admin API takes it. */
export type CaCertificateInput = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** A certificate in PEM. */
  cert: string
  cert_digest?: string | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
}

/** One of certificates, as the Admin API answers it. */
export interface Certificate {
  /** A UUID; made if none is given. */
  id: string
  /** Seconds since the epoch; set by the gateway. */
  created_at: number
  /** Seconds since the epoch; set by the gateway. */
  updated_at: number
  /** A certificate in PEM. */
  cert: string
  /** A key in PEM. */
  key: string
  /** A certificate in PEM. */
  cert_alt: string | null
  /** A key in PEM. */
  key_alt: string | null
  /** Labels for grouping and filtering. */
  tags: readonly string[] | null
  snis?: readonly string[] | null
}

/** One of certificates, as the Admin API takes it. */
export type CertificateInput = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** A certificate in PEM. */
  cert: string
  /** A key in PEM. */
  key: string
  /** A certificate in PEM. */
  cert_alt?: string | null
  /** A key in PEM. */
  key_alt?: string | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  snis?: readonly string[] | null
}

/** One of key_sets, as the Admin API answers it. */
export interface KeySet {
  /** A UUID; made if none is given. */
  id: string
  name: string | null
  /** Labels for grouping and filtering. */
  tags: readonly string[] | null
  /** Seconds since the epoch; set by the gateway. */
  created_at: number
  /** Seconds since the epoch; set by the gateway. */
  updated_at: number
}

/** One of key_sets, as the Admin API takes it. */
export type KeySetInput = {
  /** A UUID; made if none is given. */
  id?: string | null
  name?: string | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
}

/** One of vaults, as the Admin API answers it. */
export interface Vault {
  /** A UUID; made if none is given. */
  id: string
  /** What references begin with. */
  prefix: string
  /** Which type of vault. */
  name: string
  description: string | null
  /** Settings of the vault. */
  config: Readonly<Record<string, unknown>> | null
  /** Seconds since the epoch; set by the gateway. */
  created_at: number
  /** Seconds since the epoch; set by the gateway. */
  updated_at: number
  /** Labels for grouping and filtering. */
  tags: readonly string[] | null
}

/** One of vaults, as the Admin API takes it. */
export type VaultInput = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** What references begin with. */
  prefix: string
  /** Which type of vault. */
  name: string
  description?: string | null
  /** Settings of the vault. */
  config?: Readonly<Record<string, unknown>> | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
}

/** One of consumers, as the Admin API answers it. */
export interface Consumer {
  /** A UUID; made if none is given. */
  id: string
  /** Seconds since the epoch; set by the gateway. */
  created_at: number
  /** Seconds since the epoch; set by the gateway. */
  updated_at: number
  /** Needed unless there is a `custom_id`. */
  username: string | null
  /** The id of the consumer in a system of yours. */
  custom_id: string | null
  /** Labels for grouping and filtering. */
  tags: readonly string[] | null
}

/** One of consumers, as the Admin API takes it. */
export type ConsumerInput = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** Needed unless there is a `custom_id`. */
  username?: string | null
  /** The id of the consumer in a system of yours. */
  custom_id?: string | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
}

/** One of upstreams, as the Admin API answers it. */
export interface Upstream {
  /** A UUID; made if none is given. */
  id: string
  /** Seconds since the epoch; set by the gateway. */
  created_at: number
  /** The `host` of services that use it. */
  name: string
  /** Seconds since the epoch; set by the gateway. */
  updated_at: number
  /** How a target is chosen. */
  algorithm: 'consistent-hashing' | 'least-connections' | 'round-robin' | 'latency' | null
  hash_on: 'none' | 'consumer' | 'ip' | 'header' | 'cookie' | 'path' | 'query_arg' | 'uri_capture' | null
  hash_fallback: 'none' | 'consumer' | 'ip' | 'header' | 'cookie' | 'path' | 'query_arg' | 'uri_capture' | null
  /** The name of a header. */
  hash_on_header: string | null
  /** The name of a header. */
  hash_fallback_header: string | null
  /** The name of a cookie. */
  hash_on_cookie: string | null
  /** A path that begins with `/`. */
  hash_on_cookie_path: string | null
  hash_on_query_arg: string | null
  hash_fallback_query_arg: string | null
  hash_on_uri_capture: string | null
  hash_fallback_uri_capture: string | null
  /** Size of the wheel. */
  slots: number | null
  healthchecks: {
    active: {
      type: 'tcp' | 'http' | 'https' | 'grpc' | 'grpcs' | null
      timeout: number | null
      concurrency: number | null
      /** A path that begins with `/`. */
      http_path: string | null
      /** A server name of TLS. */
      https_sni: string | null
      https_verify_certificate: boolean
      headers: Readonly<Record<string, readonly string[]>> | null
      healthy: {
        interval: number | null
        http_statuses: readonly number[] | null
        successes: number | null
      }
      unhealthy: {
        interval: number | null
        http_statuses: readonly number[] | null
        tcp_failures: number | null
        timeouts: number | null
        http_failures: number | null
      }
    }
    passive: {
      type: 'tcp' | 'http' | 'https' | 'grpc' | 'grpcs' | null
      healthy: {
        http_statuses: readonly number[] | null
        successes: number | null
      }
      unhealthy: {
        http_statuses: readonly number[] | null
        tcp_failures: number | null
        timeouts: number | null
        http_failures: number | null
      }
    }
    threshold: number | null
  }
  /** Labels for grouping and filtering. */
  tags: readonly string[] | null
  /** A host name or address. */
  host_header: string | null
  /** Shown to the targets. */
  client_certificate: {
    id: string
  } | null
  /** Use the names of SRV records as host. */
  use_srv_name: boolean | null
}

/** One of upstreams, as the Admin API takes it. */
export type UpstreamInput = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** The `host` of services that use it. */
  name: string
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** How a target is chosen. Default: `"round-robin"`. */
  algorithm?: 'consistent-hashing' | 'least-connections' | 'round-robin' | 'latency' | null
  /** Default: `"none"`. */
  hash_on?: 'none' | 'consumer' | 'ip' | 'header' | 'cookie' | 'path' | 'query_arg' | 'uri_capture' | null
  /** Default: `"none"`. */
  hash_fallback?: 'none' | 'consumer' | 'ip' | 'header' | 'cookie' | 'path' | 'query_arg' | 'uri_capture' | null
  /** The name of a header. */
  hash_on_header?: string | null
  /** The name of a header. */
  hash_fallback_header?: string | null
  /** The name of a cookie. */
  hash_on_cookie?: string | null
  /** A path that begins with `/`. Default: `"/"`. */
  hash_on_cookie_path?: string | null
  hash_on_query_arg?: string | null
  hash_fallback_query_arg?: string | null
  hash_on_uri_capture?: string | null
  hash_fallback_uri_capture?: string | null
  /** Size of the wheel. Default: `10000`. */
  slots?: number | null
  healthchecks?: {
    active?: {
      /** Default: `"http"`. */
      type?: 'tcp' | 'http' | 'https' | 'grpc' | 'grpcs' | null
      /** Default: `1`. */
      timeout?: number | null
      /** Default: `10`. */
      concurrency?: number | null
      /** A path that begins with `/`. Default: `"/"`. */
      http_path?: string | null
      /** A server name of TLS. */
      https_sni?: string | null
      /** Default: `true`. */
      https_verify_certificate?: boolean | null
      headers?: Readonly<Record<string, readonly string[]>> | null
      /** Default: `{"interval":0,"http_statuses":[200,302],"successes":0}`. */
      healthy?: {
        /** Default: `0`. */
        interval?: number | null
        /** Default: `[200,302]`. */
        http_statuses?: readonly number[] | null
        /** Default: `0`. */
        successes?: number | null
      } | null
      unhealthy?: {
        /** Default: `0`. */
        interval?: number | null
        /** Default: `[429,404,500,501,502,503,504,505]`. */
        http_statuses?: readonly number[] | null
        /** Default: `0`. */
        tcp_failures?: number | null
        /** Default: `0`. */
        timeouts?: number | null
        /** Default: `0`. */
        http_failures?: number | null
      } | null
    } | null
    passive?: {
      /** Default: `"http"`. */
      type?: 'tcp' | 'http' | 'https' | 'grpc' | 'grpcs' | null
      healthy?: {
        /** Default: `[200,201,202,203,204,205,206,207,208,226,300,301,302,303,304,305,306,307,308]`. */
        http_statuses?: readonly number[] | null
        /** Default: `0`. */
        successes?: number | null
      } | null
      /** Default: `{"http_statuses":[429,500,503],"tcp_failures":0,"timeouts":0,"http_failures":0}`. */
      unhealthy?: {
        /** Default: `[429,500,503]`. */
        http_statuses?: readonly number[] | null
        /** Default: `0`. */
        tcp_failures?: number | null
        /** Default: `0`. */
        timeouts?: number | null
        /** Default: `0`. */
        http_failures?: number | null
      } | null
    } | null
    /** Default: `0`. */
    threshold?: number | null
  } | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** A host name or address. */
  host_header?: string | null
  /** Shown to the targets. */
  client_certificate?: {
    id: string
  } | null
  /** Use the names of SRV records as host. Default: `false`. */
  use_srv_name?: boolean | null
}

/** One of services, as the Admin API answers it. */
export interface Service {
  /** A UUID; made if none is given. */
  id: string
  /** Seconds since the epoch; set by the gateway. */
  created_at: number
  /** Seconds since the epoch; set by the gateway. */
  updated_at: number
  /** A unique name. */
  name: string | null
  /** Further attempts after a failed one. */
  retries: number | null
  /** A protocol. */
  protocol: 'grpc' | 'grpcs' | 'http' | 'https' | 'tcp' | 'tls' | 'tls_passthrough' | 'udp'
  /** A host name or address, without port. */
  host: string
  /** A port number. */
  port: number
  /** A path that begins with `/`. */
  path: string | null
  /** Milliseconds to wait for a connection. */
  connect_timeout: number | null
  /** Milliseconds between two successful writes. */
  write_timeout: number | null
  /** Milliseconds between two successful reads. */
  read_timeout: number | null
  /** Labels for grouping and filtering. */
  tags: readonly string[] | null
  /** Shown to the upstream. */
  client_certificate: {
    id: string
  } | null
  /** Whether the certificate of the upstream is verified. */
  tls_verify: boolean | null
  /** Longest chain accepted. */
  tls_verify_depth: number | null
  /** Ids of the authorities that the upstream is verified against. */
  ca_certificates: readonly string[] | null
  /** Disabled services take no traffic. */
  enabled: boolean
}

/** One of services, as the Admin API takes it. */
export type ServiceInput = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** A unique name. */
  name?: string | null
  /** Further attempts after a failed one. Default: `5`. */
  retries?: number | null
  /** A protocol. Default: `"http"`. */
  protocol?: 'grpc' | 'grpcs' | 'http' | 'https' | 'tcp' | 'tls' | 'tls_passthrough' | 'udp' | null
  /** A host name or address, without port. */
  host?: string
  /** A port number. Default: `80`. */
  port?: number | null
  /** A path that begins with `/`. */
  path?: string | null
  /** Milliseconds to wait for a connection. Default: `60000`. */
  connect_timeout?: number | null
  /** Milliseconds between two successful writes. Default: `60000`. */
  write_timeout?: number | null
  /** Milliseconds between two successful reads. Default: `60000`. */
  read_timeout?: number | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** Shown to the upstream. */
  client_certificate?: {
    id: string
  } | null
  /** Whether the certificate of the upstream is verified. */
  tls_verify?: boolean | null
  /** Longest chain accepted. */
  tls_verify_depth?: number | null
  /** Ids of the authorities that the upstream is verified against. */
  ca_certificates?: readonly string[] | null
  /** Disabled services take no traffic. Default: `true`. */
  enabled?: boolean | null
  url?: string | null
} & ({ host: string } | { url: string })

/** One of snis, as the Admin API answers it. */
export interface Sni {
  /** A UUID; made if none is given. */
  id: string
  /** A host name; `*` may begin or end it. */
  name: string
  /** Seconds since the epoch; set by the gateway. */
  created_at: number
  /** Seconds since the epoch; set by the gateway. */
  updated_at: number
  /** Labels for grouping and filtering. */
  tags: readonly string[] | null
  certificate: {
    id: string
  }
}

/** One of snis, as the Admin API takes it. */
export type SniInput = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** A host name; `*` may begin or end it. */
  name: string
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  certificate: {
    id: string
  }
}

/** One of keys, as the Admin API answers it. */
export interface Key {
  /** A UUID; made if none is given. */
  id: string
  /** The set it belongs to. */
  set: {
    id: string
  } | null
  name: string | null
  /** Names the key in tokens. */
  kid: string
  jwk: string | null
  pem: {
    private_key: string | null
    public_key: string | null
  } | null
  /** Labels for grouping and filtering. */
  tags: readonly string[] | null
  /** Seconds since the epoch; set by the gateway. */
  created_at: number
  /** Seconds since the epoch; set by the gateway. */
  updated_at: number
}

/** One of keys, as the Admin API takes it. */
export type KeyInput = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** The set it belongs to. */
  set?: {
    id: string
  } | {
    name: string
  } | null
  name?: string | null
  /** Names the key in tokens. */
  kid: string
  jwk?: string | null
  pem?: {
    private_key?: string | null
    public_key?: string | null
  } | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
}

/** One of targets, as the Admin API answers it. */
export interface Target {
  /** A UUID; made if none is given. */
  id: string
  /** Seconds since the epoch; set by the gateway. */
  created_at: number
  /** Seconds since the epoch; set by the gateway. */
  updated_at: number
  upstream: {
    id: string
  }
  /** host[:port] */
  target: string
  /** Share of the traffic; 0 is none. */
  weight: number | null
  /** Labels for grouping and filtering. */
  tags: readonly string[] | null
}

/** One of targets, as the Admin API takes it. */
export type TargetInput = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  upstream: {
    id: string
  } | {
    name: string
  }
  /** host[:port] */
  target: string
  /** Share of the traffic; 0 is none. Default: `100`. */
  weight?: number | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
}

/** One of routes, as the Admin API answers it. */
export interface Route {
  /** A UUID; made if none is given. */
  id: string
  /** Seconds since the epoch; set by the gateway. */
  created_at: number
  /** Seconds since the epoch; set by the gateway. */
  updated_at: number
  /** A unique name. */
  name: string | null
  /** The protocols this route serves. */
  protocols: readonly ('grpc' | 'grpcs' | 'http' | 'https' | 'tcp' | 'tls' | 'tls_passthrough' | 'udp')[]
  /** Answer to a request that fits but for its protocol. */
  https_redirect_status_code: 426 | 301 | 302 | 307 | 308
  /** Drop the matched prefix upstream. */
  strip_path: boolean
  /** Send the Host of the request upstream. */
  preserve_host: boolean
  request_buffering: boolean
  response_buffering: boolean
  /** Labels for grouping and filtering. */
  tags: readonly string[] | null
  /** Where the traffic goes. */
  service: {
    id: string
  } | null
  snis: readonly string[] | null
  sources: readonly ({
    /** An IP address or a CIDR block. */
    ip: string | null
    /** A port number. */
    port: number | null
  })[] | null
  destinations: readonly ({
    /** An IP address or a CIDR block. */
    ip: string | null
    /** A port number. */
    port: number | null
  })[] | null
  methods: readonly string[] | null
  hosts: readonly string[] | null
  paths: readonly string[] | null
  headers: Readonly<Record<string, readonly string[]>> | null
  /** Decides between regex routes that fit alike. */
  regex_priority: number | null
  /** How paths are joined. */
  path_handling: 'v0' | 'v1' | null
  /** The condition, in the expression language. */
  expression?: string | null
  priority?: number
}

/** One of routes, as the Admin API takes it. */
export type RouteInput = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** A unique name. */
  name?: string | null
  /** The protocols this route serves. Default: `["http","https"]`. */
  protocols?: readonly ('grpc' | 'grpcs' | 'http' | 'https' | 'tcp' | 'tls' | 'tls_passthrough' | 'udp')[] | null
  /** Answer to a request that fits but for its protocol. Default: `426`. */
  https_redirect_status_code?: 426 | 301 | 302 | 307 | 308 | null
  /** Drop the matched prefix upstream. Default: `true`. */
  strip_path?: boolean | null
  /** Send the Host of the request upstream. Default: `false`. */
  preserve_host?: boolean | null
  /** Default: `true`. */
  request_buffering?: boolean | null
  /** Default: `true`. */
  response_buffering?: boolean | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** Where the traffic goes. */
  service?: {
    id: string
  } | {
    name: string
  } | null
  snis?: readonly string[] | null
  sources?: readonly ({
    /** An IP address or a CIDR block. */
    ip?: string | null
    /** A port number. */
    port?: number | null
  })[] | null
  destinations?: readonly ({
    /** An IP address or a CIDR block. */
    ip?: string | null
    /** A port number. */
    port?: number | null
  })[] | null
  methods?: readonly string[] | null
  hosts?: readonly string[] | null
  paths?: readonly string[] | null
  headers?: Readonly<Record<string, readonly string[]>> | null
  /** Decides between regex routes that fit alike. Default: `0`. */
  regex_priority?: number | null
  /** How paths are joined. Default: `"v0"`. */
  path_handling?: 'v0' | 'v1' | null
  /** The condition, in the expression language. */
  expression?: string | null
  /** Default: `0`. */
  priority?: number | null
}

/** One of plugins, as the Admin API answers it. */
export type Plugin<Name extends PluginName = PluginName> = {
  [N in Name]: PluginRowFields & { readonly name: N; readonly config: Complete<PluginConfigs[N]> }
}[Name]

export interface PluginRowFields {
  /** A UUID; made if none is given. */
  id: string
  /** A unique name. */
  instance_name: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at: number
  /** Seconds since the epoch; set by the gateway. */
  updated_at: number
  /** Only for requests of this route. */
  route: {
    id: string
  } | null
  /** Only for requests to this service. */
  service: {
    id: string
  } | null
  /** Only for requests of this consumer. */
  consumer: {
    id: string
  } | null
  /** Protocols of the requests concerned. */
  protocols: readonly ('grpc' | 'grpcs' | 'http' | 'https' | 'tcp' | 'tls' | 'tls_passthrough' | 'udp')[]
  /** Disabled instances do nothing. */
  enabled: boolean
  /** Labels for grouping and filtering. */
  tags: readonly string[] | null
}

/** One of plugins, as the Admin API takes it. */
export type PluginInput = PluginInputFields & PluginChoice

export interface PluginInputFields {
  /** A UUID; made if none is given. */
  id?: string | null
  /** A unique name. */
  instance_name?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** Only for requests of this route. */
  route?: {
    id: string
  } | {
    name: string
  } | null
  /** Only for requests to this service. */
  service?: {
    id: string
  } | {
    name: string
  } | null
  /** Only for requests of this consumer. */
  consumer?: {
    id: string
  } | {
    username: string
  } | null
  /** Protocols of the requests concerned. Default: `["grpc","grpcs","http","https"]`. */
  protocols?: readonly ('grpc' | 'grpcs' | 'http' | 'https' | 'tcp' | 'tls' | 'tls_passthrough' | 'udp')[] | null
  /** Disabled instances do nothing. Default: `true`. */
  enabled?: boolean | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
}

/** One of keyauth_credentials, as the Admin API answers it. */
export interface KeyauthCredential {
  /** A UUID; made if none is given. */
  id: string
  /** Seconds since the epoch; set by the gateway. */
  created_at: number
  consumer: {
    id: string
  }
  key: string
  /** Labels for grouping and filtering. */
  tags: readonly string[] | null
  /** Seconds until the entity vanishes. */
  ttl?: number | null
}

/** One of keyauth_credentials, as the Admin API takes it. */
export type KeyauthCredentialInput = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  consumer: {
    id: string
  } | {
    username: string
  }
  key?: string | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** Seconds until the entity vanishes. */
  ttl?: number | null
}

/** One of ca_certificates, as a declarative configuration has it. */
export type CaCertificateEntry = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** A certificate in PEM. */
  cert: string
  cert_digest?: string | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** For people; the gateway does not read it. */
  _comment?: string
  /** A place for what the gateway should not read, such as YAML anchors. */
  _ignore?: readonly unknown[]
}

/** One of certificates, as a declarative configuration has it. */
export type CertificateEntry = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** A certificate in PEM. */
  cert: string
  /** A key in PEM. */
  key: string
  /** A certificate in PEM. */
  cert_alt?: string | null
  /** A key in PEM. */
  key_alt?: string | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  snis?: readonly SniEntry[] | null
  upstreams?: readonly UpstreamEntry[] | null
  services?: readonly ServiceEntry[] | null
  /** For people; the gateway does not read it. */
  _comment?: string
  /** A place for what the gateway should not read, such as YAML anchors. */
  _ignore?: readonly unknown[]
}

/** One of key_sets, as a declarative configuration has it. */
export type KeySetEntry = {
  /** A UUID; made if none is given. */
  id?: string | null
  name?: string | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  keys?: readonly KeyEntry[] | null
  /** For people; the gateway does not read it. */
  _comment?: string
  /** A place for what the gateway should not read, such as YAML anchors. */
  _ignore?: readonly unknown[]
}

/** One of vaults, as a declarative configuration has it. */
export type VaultEntry = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** What references begin with. */
  prefix: string
  /** Which type of vault. */
  name: string
  description?: string | null
  /** Settings of the vault. */
  config?: Readonly<Record<string, unknown>> | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** For people; the gateway does not read it. */
  _comment?: string
  /** A place for what the gateway should not read, such as YAML anchors. */
  _ignore?: readonly unknown[]
}

/** One of consumers, as a declarative configuration has it. */
export type ConsumerEntry = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** Needed unless there is a `custom_id`. */
  username?: string | null
  /** The id of the consumer in a system of yours. */
  custom_id?: string | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  plugins?: readonly PluginEntry[] | null
  keyauth_credentials?: readonly KeyauthCredentialEntry[] | null
  /** For people; the gateway does not read it. */
  _comment?: string
  /** A place for what the gateway should not read, such as YAML anchors. */
  _ignore?: readonly unknown[]
}

/** One of upstreams, as a declarative configuration has it. */
export type UpstreamEntry = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** The `host` of services that use it. */
  name: string
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** How a target is chosen. Default: `"round-robin"`. */
  algorithm?: 'consistent-hashing' | 'least-connections' | 'round-robin' | 'latency' | null
  /** Default: `"none"`. */
  hash_on?: 'none' | 'consumer' | 'ip' | 'header' | 'cookie' | 'path' | 'query_arg' | 'uri_capture' | null
  /** Default: `"none"`. */
  hash_fallback?: 'none' | 'consumer' | 'ip' | 'header' | 'cookie' | 'path' | 'query_arg' | 'uri_capture' | null
  /** The name of a header. */
  hash_on_header?: string | null
  /** The name of a header. */
  hash_fallback_header?: string | null
  /** The name of a cookie. */
  hash_on_cookie?: string | null
  /** A path that begins with `/`. Default: `"/"`. */
  hash_on_cookie_path?: string | null
  hash_on_query_arg?: string | null
  hash_fallback_query_arg?: string | null
  hash_on_uri_capture?: string | null
  hash_fallback_uri_capture?: string | null
  /** Size of the wheel. Default: `10000`. */
  slots?: number | null
  healthchecks?: {
    active?: {
      /** Default: `"http"`. */
      type?: 'tcp' | 'http' | 'https' | 'grpc' | 'grpcs' | null
      /** Default: `1`. */
      timeout?: number | null
      /** Default: `10`. */
      concurrency?: number | null
      /** A path that begins with `/`. Default: `"/"`. */
      http_path?: string | null
      /** A server name of TLS. */
      https_sni?: string | null
      /** Default: `true`. */
      https_verify_certificate?: boolean | null
      headers?: Readonly<Record<string, readonly string[]>> | null
      /** Default: `{"interval":0,"http_statuses":[200,302],"successes":0}`. */
      healthy?: {
        /** Default: `0`. */
        interval?: number | null
        /** Default: `[200,302]`. */
        http_statuses?: readonly number[] | null
        /** Default: `0`. */
        successes?: number | null
      } | null
      unhealthy?: {
        /** Default: `0`. */
        interval?: number | null
        /** Default: `[429,404,500,501,502,503,504,505]`. */
        http_statuses?: readonly number[] | null
        /** Default: `0`. */
        tcp_failures?: number | null
        /** Default: `0`. */
        timeouts?: number | null
        /** Default: `0`. */
        http_failures?: number | null
      } | null
    } | null
    passive?: {
      /** Default: `"http"`. */
      type?: 'tcp' | 'http' | 'https' | 'grpc' | 'grpcs' | null
      healthy?: {
        /** Default: `[200,201,202,203,204,205,206,207,208,226,300,301,302,303,304,305,306,307,308]`. */
        http_statuses?: readonly number[] | null
        /** Default: `0`. */
        successes?: number | null
      } | null
      /** Default: `{"http_statuses":[429,500,503],"tcp_failures":0,"timeouts":0,"http_failures":0}`. */
      unhealthy?: {
        /** Default: `[429,500,503]`. */
        http_statuses?: readonly number[] | null
        /** Default: `0`. */
        tcp_failures?: number | null
        /** Default: `0`. */
        timeouts?: number | null
        /** Default: `0`. */
        http_failures?: number | null
      } | null
    } | null
    /** Default: `0`. */
    threshold?: number | null
  } | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** A host name or address. */
  host_header?: string | null
  /** Shown to the targets. */
  client_certificate?: string | {
    id: string
  } | null
  /** Use the names of SRV records as host. Default: `false`. */
  use_srv_name?: boolean | null
  targets?: readonly TargetEntry[] | null
  /** For people; the gateway does not read it. */
  _comment?: string
  /** A place for what the gateway should not read, such as YAML anchors. */
  _ignore?: readonly unknown[]
}

/** One of services, as a declarative configuration has it. */
export type ServiceEntry = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** A unique name. */
  name?: string | null
  /** Further attempts after a failed one. Default: `5`. */
  retries?: number | null
  /** A protocol. Default: `"http"`. */
  protocol?: 'grpc' | 'grpcs' | 'http' | 'https' | 'tcp' | 'tls' | 'tls_passthrough' | 'udp' | null
  /** A host name or address, without port. */
  host?: string
  /** A port number. Default: `80`. */
  port?: number | null
  /** A path that begins with `/`. */
  path?: string | null
  /** Milliseconds to wait for a connection. Default: `60000`. */
  connect_timeout?: number | null
  /** Milliseconds between two successful writes. Default: `60000`. */
  write_timeout?: number | null
  /** Milliseconds between two successful reads. Default: `60000`. */
  read_timeout?: number | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** Shown to the upstream. */
  client_certificate?: string | {
    id: string
  } | null
  /** Whether the certificate of the upstream is verified. */
  tls_verify?: boolean | null
  /** Longest chain accepted. */
  tls_verify_depth?: number | null
  /** Ids of the authorities that the upstream is verified against. */
  ca_certificates?: readonly string[] | null
  /** Disabled services take no traffic. Default: `true`. */
  enabled?: boolean | null
  url?: string | null
  routes?: readonly RouteEntry[] | null
  plugins?: readonly PluginEntry[] | null
  filter_chains?: readonly FilterChainEntry[] | null
  /** For people; the gateway does not read it. */
  _comment?: string
  /** A place for what the gateway should not read, such as YAML anchors. */
  _ignore?: readonly unknown[]
} & ({ host: string } | { url: string })

/** One of snis, as a declarative configuration has it. */
export type SniEntry = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** A host name; `*` may begin or end it. */
  name: string
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** Id or name of one of certificates. */
  certificate?: string | {
    id: string
  } | null
  /** For people; the gateway does not read it. */
  _comment?: string
  /** A place for what the gateway should not read, such as YAML anchors. */
  _ignore?: readonly unknown[]
}

/** One of keys, as a declarative configuration has it. */
export type KeyEntry = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** The set it belongs to. */
  set?: string | {
    id: string
  } | null
  name?: string | null
  /** Names the key in tokens. */
  kid: string
  jwk?: string | null
  pem?: {
    private_key?: string | null
    public_key?: string | null
  } | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** For people; the gateway does not read it. */
  _comment?: string
  /** A place for what the gateway should not read, such as YAML anchors. */
  _ignore?: readonly unknown[]
}

/** One of targets, as a declarative configuration has it. */
export type TargetEntry = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** Id or name of one of upstreams. */
  upstream?: string | {
    id: string
  } | null
  /** host[:port] */
  target: string
  /** Share of the traffic; 0 is none. Default: `100`. */
  weight?: number | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** For people; the gateway does not read it. */
  _comment?: string
  /** A place for what the gateway should not read, such as YAML anchors. */
  _ignore?: readonly unknown[]
}

/** One of routes, as a declarative configuration has it. */
export type RouteEntry = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** A unique name. */
  name?: string | null
  /** The protocols this route serves. Default: `["http","https"]`. */
  protocols?: readonly ('grpc' | 'grpcs' | 'http' | 'https' | 'tcp' | 'tls' | 'tls_passthrough' | 'udp')[] | null
  /** Answer to a request that fits but for its protocol. Default: `426`. */
  https_redirect_status_code?: 426 | 301 | 302 | 307 | 308 | null
  /** Drop the matched prefix upstream. Default: `true`. */
  strip_path?: boolean | null
  /** Send the Host of the request upstream. Default: `false`. */
  preserve_host?: boolean | null
  /** Default: `true`. */
  request_buffering?: boolean | null
  /** Default: `true`. */
  response_buffering?: boolean | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** Where the traffic goes. */
  service?: string | {
    id: string
  } | null
  snis?: readonly string[] | null
  sources?: readonly ({
    /** An IP address or a CIDR block. */
    ip?: string | null
    /** A port number. */
    port?: number | null
  })[] | null
  destinations?: readonly ({
    /** An IP address or a CIDR block. */
    ip?: string | null
    /** A port number. */
    port?: number | null
  })[] | null
  methods?: readonly string[] | null
  hosts?: readonly string[] | null
  paths?: readonly string[] | null
  headers?: Readonly<Record<string, readonly string[]>> | null
  /** Decides between regex routes that fit alike. Default: `0`. */
  regex_priority?: number | null
  /** How paths are joined. Default: `"v0"`. */
  path_handling?: 'v0' | 'v1' | null
  /** The condition, in the expression language. */
  expression?: string | null
  /** Default: `0`. */
  priority?: number | null
  plugins?: readonly PluginEntry[] | null
  filter_chains?: readonly FilterChainEntry[] | null
  /** For people; the gateway does not read it. */
  _comment?: string
  /** A place for what the gateway should not read, such as YAML anchors. */
  _ignore?: readonly unknown[]
}

/** The name of a plugin with its config. */
export type PluginChoice =
  | { name: 'correlation-id'; config?: CorrelationIdConfig | null }
  | { name: 'cors'; config?: CorsConfig | null; consumer?: null }
  | { name: 'http-log'; config: HttpLogConfig }
  | { name: 'ip-restriction'; config?: IpRestrictionConfig | null }
  | { name: 'key-auth'; config?: KeyAuthConfig | null; consumer?: null }
  | { name: 'prometheus'; config?: PrometheusConfig | null }
  | { name: 'rate-limiting'; config?: RateLimitingConfig | null }
  | { name: 'request-termination'; config?: RequestTerminationConfig | null }
  | { name: 'request-transformer'; config?: RequestTransformerConfig | null }
  | { name: 'response-transformer'; config?: ResponseTransformerConfig | null }

/** One of plugins, as a declarative configuration has it. */
export type PluginEntry = PluginEntryFields & PluginChoice

export interface PluginEntryFields {
  /** A UUID; made if none is given. */
  id?: string | null
  /** A unique name. */
  instance_name?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** Only for requests of this route. */
  route?: string | {
    id: string
  } | null
  /** Only for requests to this service. */
  service?: string | {
    id: string
  } | null
  /** Only for requests of this consumer. */
  consumer?: string | {
    id: string
  } | null
  /** Protocols of the requests concerned. Default: `["grpc","grpcs","http","https"]`. */
  protocols?: readonly ('grpc' | 'grpcs' | 'http' | 'https' | 'tcp' | 'tls' | 'tls_passthrough' | 'udp')[] | null
  /** Disabled instances do nothing. Default: `true`. */
  enabled?: boolean | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** For people; the gateway does not read it. */
  _comment?: string
  /** A place for what the gateway should not read, such as YAML anchors. */
  _ignore?: readonly unknown[]
}

/** One of filter_chains, as a declarative configuration has it. */
export type FilterChainEntry = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** A unique name. */
  name?: string | null
  /** Default: `true`. */
  enabled?: boolean | null
  /** Id or name of one of routes. */
  route?: string | {
    id: string
  } | null
  /** Id or name of one of services. */
  service?: string | {
    id: string
  } | null
  filters: readonly ({
    name: string
    /** Default: `true`. */
    enabled?: boolean | null
    config?: unknown
  })[]
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Seconds since the epoch; set by the gateway. */
  updated_at?: number | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** For people; the gateway does not read it. */
  _comment?: string
  /** A place for what the gateway should not read, such as YAML anchors. */
  _ignore?: readonly unknown[]
}

/** One of keyauth_credentials, as a declarative configuration has it. */
export type KeyauthCredentialEntry = {
  /** A UUID; made if none is given. */
  id?: string | null
  /** Seconds since the epoch; set by the gateway. */
  created_at?: number | null
  /** Id or name of one of consumers. */
  consumer?: string | {
    id: string
  } | null
  key?: string | null
  /** Labels for grouping and filtering. */
  tags?: readonly string[] | null
  /** Seconds until the entity vanishes. */
  ttl?: number | null
  /** For people; the gateway does not read it. */
  _comment?: string
  /** A place for what the gateway should not read, such as YAML anchors. */
  _ignore?: readonly unknown[]
}

/** A whole declarative configuration. */
export interface Configuration {
  /** Of the format; the newest when left out. */
  _format_version?: '3.0' | '2.1' | '1.1'
  /** False: passwords and the like are hashed already. Default: `true`. */
  _transform?: boolean
  /** For people; the gateway does not read it. */
  _comment?: string
  /** A place for what the gateway should not read, such as YAML anchors. */
  _ignore?: readonly unknown[]
  ca_certificates?: readonly CaCertificateEntry[] | null
  certificates?: readonly CertificateEntry[] | null
  key_sets?: readonly KeySetEntry[] | null
  vaults?: readonly VaultEntry[] | null
  consumers?: readonly ConsumerEntry[] | null
  upstreams?: readonly UpstreamEntry[] | null
  services?: readonly ServiceEntry[] | null
  snis?: readonly SniEntry[] | null
  keys?: readonly KeyEntry[] | null
  targets?: readonly TargetEntry[] | null
  routes?: readonly RouteEntry[] | null
  plugins?: readonly PluginEntry[] | null
  filter_chains?: readonly FilterChainEntry[] | null
  keyauth_credentials?: readonly KeyauthCredentialEntry[] | null
}

/** What the Admin API answers and takes, by entity. */
export interface EntityTypes {
  /** `/ca_certificates`, by id. */
  readonly ca_certificates: { readonly row: CaCertificate; readonly input: CaCertificateInput }
  /** `/certificates`, by id. */
  readonly certificates: { readonly row: Certificate; readonly input: CertificateInput }
  /** `/key-sets`, by id or name. */
  readonly key_sets: { readonly row: KeySet; readonly input: KeySetInput }
  /** `/vaults`, by id or prefix. */
  readonly vaults: { readonly row: Vault; readonly input: VaultInput }
  /** `/consumers`, by id or username. */
  readonly consumers: { readonly row: Consumer; readonly input: ConsumerInput }
  /** `/upstreams`, by id or name. */
  readonly upstreams: { readonly row: Upstream; readonly input: UpstreamInput }
  /** `/services`, by id or name. */
  readonly services: { readonly row: Service; readonly input: ServiceInput }
  /** `/snis`, by id or name. */
  readonly snis: { readonly row: Sni; readonly input: SniInput }
  /** `/keys`, by id or name. */
  readonly keys: { readonly row: Key; readonly input: KeyInput }
  /** `/targets`, by id or target. */
  readonly targets: { readonly row: Target; readonly input: TargetInput }
  /** `/routes`, by id or name. */
  readonly routes: { readonly row: Route; readonly input: RouteInput }
  /** `/plugins`, by id or instance_name. */
  readonly plugins: { readonly row: Plugin; readonly input: PluginInput }
  /** `/key-auths`, by id or key. */
  readonly keyauth_credentials: { readonly row: KeyauthCredential; readonly input: KeyauthCredentialInput }
}

/**
 * What visitors of the demo shop do: each flow is a tree of operations over the services, with the spans and log
 * lines that it leaves. Data alone; traffic.ts walks it.
 *
 * Names of attributes: OpenTelemetry semantic conventions 1.37 where they have one.
 */
import type { AttributesSpec } from "./template.ts";

export interface Flow {
  /** How often, relative to the others. */
  readonly weight: number;
  readonly root: OperationSpec;
}

export interface OperationSpec {
  readonly service: string;
  readonly name: string;
  readonly kind: "internal" | "server" | "client" | "producer" | "consumer";
  /** Median of its own time, without its calls, in milliseconds. */
  readonly ms: number;
  readonly attributes: AttributesSpec;
  readonly logs?: readonly LogSpec[];
  readonly calls?: readonly OperationSpec[];
  /** Probability that it happens at all; 1 when absent. */
  readonly chance?: number;
  /** How it fails when it does; one that cannot has none. */
  readonly failure?: FailureSpec;
  /** Handled later in a trace of its own, linked to this span. */
  readonly publishes?: OperationSpec;
}

export interface FailureSpec {
  readonly type: string;
  readonly message: string;
  readonly stack: string;
}

export interface LogSpec {
  /** When: as it begins, when it has gone well, or when it has failed. */
  readonly at: "start" | "success" | "failure";
  readonly severity: "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR" | "FATAL";
  readonly chance?: number;
  /** Text with holes, or the attributes of a map. */
  readonly body: string | AttributesSpec;
  readonly eventName?: string;
  readonly attributes: AttributesSpec;
}

/** Attributes of an HTTP server's span. */
function http(method: string, route: string, path: string): AttributesSpec {
  return {
    "http.request.method": method,
    "http.route": route,
    "url.path": path,
    "url.scheme": "https",
    "http.response.status_code": "{status:int}",
    "client.address": "{ip}",
    "user_agent.original": "{agent}",
    "user.id": "{user}",
  };
}

/** Attributes of a gRPC server's span. */
function rpc(service: string, method: string, more: AttributesSpec = {}): AttributesSpec {
  return {
    "rpc.system": "grpc",
    "rpc.service": service,
    "rpc.method": method,
    "network.peer.port": "{port:int}",
    ...more,
  };
}

function database(
  service: string,
  system: string,
  statement: string,
  ms: number,
  table: string,
): OperationSpec {
  return {
    service,
    name: `${statement.split(" ")[0]} ${table}`,
    kind: "client",
    ms,
    attributes: {
      "db.system.name": system,
      "db.namespace": "shop",
      "db.collection.name": table,
      "db.query.text": statement,
      "db.response.returned_rows": "{rows:int}",
      "server.address": `${system}.shop.svc`,
    },
    logs: [{
      at: "success",
      severity: "DEBUG",
      chance: 0.3,
      body: `executed ${statement} in {ms} ms, {rows} rows, connection {thread} of pool ${system}-main`,
      attributes: {
        "db.system.name": system,
        "db.collection.name": table,
        "db.response.returned_rows": "{rows:int}",
        "duration_ms": "{ms:double}",
        "thread.name": "{thread}",
        "pool.waiting": "{queue:int}",
        "db.prepared": true,
        "code.function.name": `store.query_${table}`,
      },
    }],
    failure: {
      type: "TimeoutError",
      message: `statement on ${table} cancelled after {ms} ms: no connection free in pool ${system}-main`,
      stack:
        `TimeoutError: no connection free\n    at Pool.acquire (/app/db/pool.js:118:13)\n    at Store.query (/app/db/store.js:44:21)\n    at processTicksAndRejections (node:internal/process/task_queues:105:5)`,
    },
  };
}

/** The access log line of a web server, and the one of its failure. */
function accessLogs(method: string, path: string): LogSpec[] {
  const attributes: AttributesSpec = {
    "http.request.method": method,
    "url.path": path,
    "http.response.status_code": "{status:int}",
    "http.response.body.size": "{bytes:int}",
    "client.address": "{ip}",
    "user_agent.original": "{agent}",
    "session.id": "{session}",
    "duration_ms": "{ms:double}",
  };
  return [
    {
      at: "success",
      severity: "INFO",
      body: `{ip} - {user} "${method} ${path} HTTP/2.0" {status} {bytes} {ms}ms cache={cached} trace={hex}`,
      attributes,
    },
    {
      at: "failure",
      severity: "ERROR",
      body:
        `{ip} - {user} "${method} ${path} HTTP/2.0" {status} {bytes} {ms}ms upstream failed, request {hex}`,
      attributes: { ...attributes, "error.type": "upstream_error" },
    },
  ];
}

const signIn: OperationSpec = {
  service: "auth",
  name: "shop.Auth/Verify",
  kind: "server",
  ms: 3,
  attributes: rpc("shop.Auth", "Verify", { "user.id": "{user}", "session.id": "{session}" }),
  logs: [
    {
      at: "success",
      severity: "INFO",
      body: "verified session {session} of user {user} from {ip} ({city}, {country}) in {ms} ms",
      attributes: {
        "user.id": "{user}",
        "session.id": "{session}",
        "client.address": "{ip}",
        "geo.country.iso_code": "{country}",
        "user.returning": "{returning:bool}",
        "auth.method": "session-cookie",
        "duration_ms": "{ms:double}",
        "thread.name": "{thread}",
      },
    },
    {
      at: "success",
      severity: "WARN",
      chance: 0.06,
      body: "user {user} signs in from a new place {city}, {country} (address {ip}); risk score {ratio}",
      attributes: {
        "user.id": "{user}",
        "client.address": "{ip}",
        "risk.score": "{ratio:double}",
        "risk.reasons": ["new_city", "new_device"],
        "session.id": "{session}",
        "geo.locality.name": "{city}",
        "user_agent.original": "{agent}",
      },
    },
    {
      at: "failure",
      severity: "ERROR",
      body: "cannot verify session {session}: key set did not load within {ms} ms, attempt {attempt} of 4",
      attributes: { "user.id": "{user}", "retry.attempt": "{attempt:int}", "error.type": "KeySetTimeout" },
    },
  ],
  calls: [database("auth", "redis", "GET session:*", 0.6, "sessions")],
  failure: {
    type: "KeySetTimeout",
    message: "key set did not load within {ms} ms",
    stack:
      "KeySetTimeout: deadline exceeded\ngoroutine 84 [running]:\nshop/auth.(*KeySet).Load(0xc0001)\n\t/src/auth/keyset.go:91",
  },
};

const lookUpProduct: OperationSpec = {
  service: "catalog",
  name: "shop.Catalog/GetProduct",
  kind: "server",
  ms: 4,
  attributes: rpc("shop.Catalog", "GetProduct", { "product.sku": "{sku}" }),
  logs: [
    {
      at: "success",
      severity: "INFO",
      body:
        'product {sku} "{product}" ({category}) read for {user}: cache hit {cached}, {ms} ms, price list {currency}',
      attributes: {
        "product.sku": "{sku}",
        "product.name": "{product}",
        "product.category": "{category}",
        "cache.hit": "{cached:bool}",
        "duration_ms": "{ms:double}",
        "thread.name": "{thread}",
        "price.currency": "{currency}",
        "code.function.name": "catalog.GetProduct",
      },
    },
    {
      at: "success",
      severity: "WARN",
      chance: 0.08,
      body:
        "product {sku} was stale in the cache: {rows} revisions behind, refreshed by {thread} within {ms} ms",
      attributes: {
        "product.sku": "{sku}",
        "product.name": "{product}",
        "cache.revisions_behind": "{rows:int}",
        "cache.hit": false,
        "duration_ms": "{ms:double}",
        "thread.name": "{thread}",
        "price.currency": "{currency}",
        "code.function.name": "catalog.refresh",
      },
    },
    {
      at: "failure",
      severity: "ERROR",
      body: "product {sku} could not be read after {ms} ms: replica catalog-ro-{attempt} lags behind",
      attributes: { "product.sku": "{sku}", "error.type": "ReplicaLag", "db.replica": "{attempt:int}" },
    },
  ],
  calls: [database("catalog", "postgresql", "SELECT * FROM products WHERE sku = $1", 2, "products")],
  failure: {
    type: "ReplicaLag",
    message: "replica is {ms} ms behind, at most 500 allowed",
    stack:
      "ReplicaLag: replica behind\ngoroutine 311 [running]:\nshop/catalog.(*Store).Get\n\t/src/catalog/store.go:203",
  },
};

const findProducts: OperationSpec = {
  service: "catalog",
  name: "shop.Catalog/Search",
  kind: "server",
  ms: 7,
  attributes: rpc("shop.Catalog", "Search", { "search.query": "{words}", "search.hits": "{rows:int}" }),
  logs: [{
    at: "success",
    severity: "INFO",
    body:
      'search "{words}" by user {user} in {country} found {rows} products in {ms} ms, page {attempt}, facet {category}',
    attributes: {
      "search.query": "{words}",
      "search.hits": "{rows:int}",
      "search.page": "{attempt:int}",
      "product.category": "{category}",
      "user.id": "{user}",
      "session.id": "{session}",
      "duration_ms": "{ms:double}",
      "thread.name": "{thread}",
    },
  }],
  calls: [database("catalog", "postgresql", "SELECT sku FROM products WHERE words @@ $1", 9, "products")],
  failure: lookUpProduct.failure,
};

const recommend: OperationSpec = {
  service: "recommendation",
  name: "shop.Recommendation/List",
  kind: "server",
  ms: 11,
  attributes: rpc("shop.Recommendation", "List", {
    "model.version": "als-2026-05",
    "model.score": "{ratio:double}",
  }),
  logs: [{
    at: "success",
    severity: "DEBUG",
    body:
      "ranked {rows} candidates for user {user} with model als-2026-05 in {ms} ms, best {sku} scored {ratio}",
    attributes: {
      "user.id": "{user}",
      "model.version": "als-2026-05",
      "model.candidates": "{rows:int}",
      "model.score": "{ratio:double}",
      "model.features": ["views", "orders", "season"],
      "product.sku": "{sku}",
      "duration_ms": "{ms:double}",
      "thread.name": "{thread}",
    },
  }],
  failure: {
    type: "ValueError",
    message: "no embedding for user {user}",
    stack:
      'Traceback (most recent call last):\n  File "/app/recommend.py", line 87, in rank\n    vector = self.users[user]\nValueError: no embedding',
  },
};

const readCart: OperationSpec = {
  service: "cart",
  name: "shop.Cart/Get",
  kind: "server",
  ms: 2,
  attributes: rpc("shop.Cart", "Get", { "cart.id": "{cart}", "cart.items": "{items:int}" }),
  logs: [{
    at: "success",
    severity: "DEBUG",
    body: "cart {cart} of user {user} holds {items} items worth {amount} {currency}, loaded in {ms} ms",
    attributes: {
      "cart.id": "{cart}",
      "user.id": "{user}",
      "cart.items": "{items:int}",
      "cart.total": "{amount:double}",
      "currency": "{currency}",
      "duration_ms": "{ms:double}",
      "thread.name": "{thread}",
      "code.function.name": "CartStore.GetAsync",
    },
  }, {
    at: "success",
    severity: "WARN",
    chance: 0.07,
    body:
      "cart {cart} of user {user} has outlived its prices: {items} items priced anew, now {amount} {currency}",
    attributes: {
      "cart.id": "{cart}",
      "user.id": "{user}",
      "cart.items": "{items:int}",
      "cart.total": "{amount:double}",
      "currency": "{currency}",
      "cart.age_hours": "{queue:int}",
      "thread.name": "{thread}",
      "code.function.name": "CartStore.RepriceAsync",
    },
  }],
  calls: [database("cart", "redis", "HGETALL cart:*", 0.8, "carts")],
  failure: {
    type: "RedisConnectionException",
    message: "It was not possible to connect to the redis server; {queue} commands queued",
    stack: "RedisConnectionException: timeout\n   at Cart.Store.GetAsync(String id) in /src/Store.cs:line 58",
  },
};

const reserveStock: OperationSpec = {
  service: "inventory",
  name: "shop.Inventory/Reserve",
  kind: "server",
  ms: 6,
  attributes: rpc("shop.Inventory", "Reserve", { "warehouse.id": "{warehouse}", "product.sku": "{sku}" }),
  logs: [
    {
      at: "success",
      severity: "INFO",
      body: "reserved {quantity} of {sku} in warehouse {warehouse} for {order}; {queue} left on the shelf",
      attributes: {
        "order.id": "{order}",
        "product.sku": "{sku}",
        "warehouse.id": "{warehouse}",
        "stock.reserved": "{quantity:int}",
        "stock.left": "{queue:int}",
        "duration_ms": "{ms:double}",
        "thread.name": "{thread}",
        "code.function.name": "InventoryService.reserve",
      },
    },
    {
      at: "failure",
      severity: "ERROR",
      body:
        "could not lock row of {sku} in {warehouse} for {order}: deadlock found, attempt {attempt} given up after {ms} ms",
      attributes: {
        "order.id": "{order}",
        "product.sku": "{sku}",
        "error.type": "org.postgresql.util.PSQLException",
        "retry.attempt": "{attempt:int}",
      },
    },
  ],
  calls: [
    database("inventory", "postgresql", "UPDATE stock SET held = held + $1 WHERE sku = $2", 3, "stock"),
  ],
  failure: {
    type: "org.postgresql.util.PSQLException",
    message: "ERROR: deadlock detected on stock, sku {sku}",
    stack:
      "org.postgresql.util.PSQLException: ERROR: deadlock detected\n\tat org.postgresql.core.v3.QueryExecutorImpl.receiveErrorResponse(QueryExecutorImpl.java:2733)\n\tat shop.inventory.Stock.reserve(Stock.java:141)",
  },
};

const charge: OperationSpec = {
  service: "payment",
  name: "shop.Payment/Charge",
  kind: "server",
  ms: 38,
  attributes: rpc("shop.Payment", "Charge", {
    "payment.provider": "{provider}",
    "payment.amount": "{amount:double}",
    "payment.currency": "{currency}",
  }),
  logs: [
    {
      at: "start",
      severity: "DEBUG",
      body:
        "charging {amount} {currency} for {order} through {provider}, card ending {card}, idempotency key {hex}",
      attributes: {
        "order.id": "{order}",
        "payment.provider": "{provider}",
        "payment.amount": "{amount:double}",
        "payment.currency": "{currency}",
        "payment.card.last4": "{card}",
        "payment.idempotency_key": "{hex}",
        "user.id": "{user}",
        "thread.name": "{thread}",
      },
    },
    {
      at: "success",
      severity: "INFO",
      body: "payment of {amount} {currency} for {order} captured by {provider} in {ms} ms, reference {hex}",
      attributes: {
        "order.id": "{order}",
        "payment.provider": "{provider}",
        "payment.amount": "{amount:double}",
        "payment.currency": "{currency}",
        "payment.reference": "{hex}",
        "duration_ms": "{ms:double}",
        "user.id": "{user}",
        "payment.captured": true,
      },
    },
    {
      at: "failure",
      severity: "ERROR",
      body:
        "payment for {order} failed: {provider} answered 502 after {ms} ms, attempt {attempt}; nothing was captured",
      attributes: {
        "order.id": "{order}",
        "payment.provider": "{provider}",
        "retry.attempt": "{attempt:int}",
        "error.type": "GatewayError",
        "duration_ms": "{ms:double}",
        "payment.captured": false,
      },
    },
  ],
  failure: {
    type: "GatewayError",
    message: "{provider} answered 502 Bad Gateway after {ms} ms",
    stack:
      "GatewayError: 502 Bad Gateway\n    at Gateway.capture (/app/gateway.js:77:11)\n    at async Payment.charge (/app/charge.js:31:20)\n    at async /app/server.js:19:5",
  },
};

const quoteShipping: OperationSpec = {
  service: "shipping",
  name: "shop.Shipping/Ship",
  kind: "server",
  ms: 5,
  attributes: rpc("shop.Shipping", "Ship", {
    "shipping.tracking_id": "{tracking}",
    "shipping.country": "{country}",
  }),
  logs: [{
    at: "success",
    severity: "INFO",
    body:
      "parcel {tracking} for {order} leaves {warehouse} to {city}, {country}: {items} items, {ms} ms to quote",
    attributes: {
      "order.id": "{order}",
      "shipping.tracking_id": "{tracking}",
      "warehouse.id": "{warehouse}",
      "shipping.country": "{country}",
      "shipping.city": "{city}",
      "shipping.items": "{items:int}",
      "duration_ms": "{ms:double}",
      "thread.name": "{thread}",
    },
  }],
  failure: {
    type: "shipping::QuoteError",
    message: "no carrier serves {country} from {warehouse}",
    stack: "shipping::QuoteError: no carrier\n   0: shipping::quote\n             at ./src/quote.rs:66:9",
  },
};

const sendEmail: OperationSpec = {
  service: "email",
  name: "process orders.placed",
  kind: "consumer",
  ms: 22,
  attributes: {
    "messaging.system": "kafka",
    "messaging.destination.name": "orders.placed",
    "messaging.consumer.group.name": "email",
    "messaging.kafka.offset": "{card:int}",
    "order.id": "{order}",
  },
  logs: [{
    at: "success",
    severity: "INFO",
    body: {
      "to": "{user}@example.com",
      "template": "order-confirmation",
      "order": "{order}",
      "took_ms": "{ms:double}",
    },
    eventName: "email.sent",
    attributes: {
      "order.id": "{order}",
      "user.id": "{user}",
      "email.template": "order-confirmation",
      "email.locale": "{country}",
      "messaging.message.id": "{hex}",
      "smtp.queue": "{queue:int}",
      "duration_ms": "{ms:double}",
    },
  }],
  failure: {
    type: "smtplib.SMTPServerDisconnected",
    message: "Connection unexpectedly closed",
    stack:
      'Traceback (most recent call last):\n  File "/app/mail.py", line 40, in send\nsmtplib.SMTPServerDisconnected',
  },
};

const placeOrder: OperationSpec = {
  service: "checkout",
  name: "shop.Checkout/PlaceOrder",
  kind: "server",
  ms: 7,
  attributes: rpc("shop.Checkout", "PlaceOrder", {
    "order.id": "{order}",
    "order.items": "{items:int}",
    "order.total": "{amount:double}",
    "order.coupons": ["SUMMER", "FIRST10"],
  }),
  logs: [
    {
      at: "start",
      severity: "INFO",
      body:
        "order {order} begun by user {user}: {items} items, {amount} {currency}, cart {cart}, ship to {city}",
      attributes: {
        "order.id": "{order}",
        "user.id": "{user}",
        "cart.id": "{cart}",
        "order.items": "{items:int}",
        "order.total": "{amount:double}",
        "currency": "{currency}",
        "session.id": "{session}",
        "client.address": "{ip}",
      },
    },
    {
      at: "success",
      severity: "INFO",
      body: "order {order} placed in {ms} ms: {amount} {currency} by {provider}, tracking {tracking}",
      attributes: {
        "order.id": "{order}",
        "user.id": "{user}",
        "order.total": "{amount:double}",
        "currency": "{currency}",
        "payment.provider": "{provider}",
        "shipping.tracking_id": "{tracking}",
        "duration_ms": "{ms:double}",
        "order.returning_customer": "{returning:bool}",
      },
    },
    {
      at: "failure",
      severity: "ERROR",
      body:
        "order {order} of user {user} could not be placed after {ms} ms; {items} items released, nothing charged",
      attributes: {
        "order.id": "{order}",
        "user.id": "{user}",
        "order.total": "{amount:double}",
        "error.type": "OrderRolledBack",
        "duration_ms": "{ms:double}",
      },
    },
  ],
  calls: [
    { ...signIn, chance: 0.9 },
    readCart,
    {
      service: "checkout",
      name: "price order",
      kind: "internal",
      ms: 1.5,
      attributes: { "order.id": "{order}", "price.total": "{amount:double}", "price.currency": "{currency}" },
    },
    reserveStock,
    charge,
    quoteShipping,
    {
      service: "checkout",
      name: "send orders.placed",
      kind: "producer",
      ms: 1.2,
      attributes: {
        "messaging.system": "kafka",
        "messaging.destination.name": "orders.placed",
        "messaging.message.body.size": "{bytes:int}",
      },
      publishes: sendEmail,
    },
  ],
};

function page(
  weight: number,
  method: string,
  route: string,
  path: string,
  ms: number,
  calls: OperationSpec[],
): Flow {
  const failure = { type: "UpstreamError", message: "an upstream service failed after {ms} ms", stack: "" };
  const logs = accessLogs(method, path);
  const attributes = http(method, route, path);
  return {
    weight,
    root: {
      service: "frontend",
      name: `${method} ${route}`,
      kind: "server",
      ms,
      attributes,
      logs,
      calls,
      failure,
    },
  };
}

export const flows: readonly Flow[] = [
  page(30, "GET", "/", "/", 9, [{ ...signIn, chance: 0.4 }, recommend, lookUpProduct]),
  page(34, "GET", "/product/:sku", "/product/{sku}", 7, [
    lookUpProduct,
    { ...recommend, chance: 0.6 },
    readCart,
  ]),
  page(12, "GET", "/search", "/search", 8, [findProducts]),
  page(14, "POST", "/cart", "/cart", 5, [signIn, lookUpProduct, readCart]),
  page(6, "POST", "/checkout", "/checkout", 12, [placeOrder]),
  page(4, "GET", "/orders/:order", "/orders/{order}", 6, [signIn, quoteShipping]),
];

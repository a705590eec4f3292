/**
 * The operations behind looking round the demo shop: signing in, finding and reading products, the cart.
 *
 * Names of attributes: OpenTelemetry semantic conventions 1.37 where they have one.
 */
import { database, type OperationSpec, rpc } from "./operation-spec.ts";

export const signIn: OperationSpec = {
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

export const lookUpProduct: OperationSpec = {
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

export const findProducts: OperationSpec = {
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

export const recommend: OperationSpec = {
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

export const readCart: OperationSpec = {
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

/**
 * The operations behind an order of the demo shop: stock, payment, shipping, and the e-mail that follows.
 *
 * Names of attributes: OpenTelemetry semantic conventions 1.37 where they have one.
 */
import { readCart, signIn } from "./browse.ts";
import { database, type OperationSpec, rpc } from "./operation-spec.ts";

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

export const quoteShipping: OperationSpec = {
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

export const placeOrder: OperationSpec = {
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

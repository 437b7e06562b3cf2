// What the Node.js client sees: one JSON object, by question, on the standard
// output. Usage: node client.js esdb://host:port?tls=false
"use strict";

const {
  EventStoreDBClient, jsonEvent, binaryEvent, linkTo, streamNameFilter, eventTypeFilter,
  ANY, NO_STREAM, STREAM_EXISTS, START, END, FORWARDS, BACKWARDS,
} = require("@eventstore/db-client");
const { randomUUID } = require("crypto");

const client = EventStoreDBClient.connectionString(process.argv[2]);
const seen = {};
const name = (p) => `${p}-${randomUUID()}`;
const event = (n) => jsonEvent({ type: "happened", data: { n }, metadata: { m: n } });

// refused runs what must fail, and tells how it did.
async function refused(f) {
  try {
    await f();
  } catch (e) {
    const { type, streamName, expectedVersion, actualVersion } = e;
    return JSON.parse(JSON.stringify({ type, streamName, expectedVersion, actualVersion },
      (_, v) => (typeof v === "bigint" ? Number(v) : v)));
  }
  return "not refused";
}

async function collect(read, pick) {
  const out = [];
  for await (const e of read) out.push(pick(e));
  return out;
}

const revision = (e) => Number((e.link ?? e.event).revision);

// take reads so many messages of a subscription, and ends it.
async function take(subscription, many, pick) {
  const out = [];
  for await (const e of subscription) {
    out.push(pick(e));
    if (out.length === many) break;
  }
  await subscription.unsubscribe();
  return out;
}

async function main() {
  const a = name("a");
  let r = await client.appendToStream(a, [event(0), event(1)], { expectedRevision: NO_STREAM });
  seen.appendNoStream = { success: r.success, next: Number(r.nextExpectedRevision), position: r.position.commit > 0n };
  r = await client.appendToStream(a, event(2), { expectedRevision: 1n });
  seen.appendRevision = Number(r.nextExpectedRevision);
  r = await client.appendToStream(a, event(3), { expectedRevision: STREAM_EXISTS });
  seen.appendExists = Number(r.nextExpectedRevision);
  r = await client.appendToStream(a, binaryEvent({ type: "bytes", data: Uint8Array.of(0, 255) }), { expectedRevision: ANY });
  seen.appendAny = Number(r.nextExpectedRevision);
  const again = event(5);
  const first = await client.appendToStream(a, again, { expectedRevision: ANY });
  const second = await client.appendToStream(a, again, { expectedRevision: ANY });
  seen.repeated = first.nextExpectedRevision === second.nextExpectedRevision && first.position.commit === second.position.commit;

  const wrong = await refused(() => client.appendToStream(a, event(9), { expectedRevision: NO_STREAM }));
  seen.wrongVersion = { type: wrong.type, sameStream: wrong.streamName === a, expected: wrong.expectedVersion, actual: wrong.actualVersion };

  seen.forwards = await collect(client.readStream(a), revision);
  seen.backwards = await collect(client.readStream(a, { direction: BACKWARDS, fromRevision: END, maxCount: 3 }), revision);
  seen.from = await collect(client.readStream(a, { direction: FORWARDS, fromRevision: 3n, maxCount: 2 }), revision);
  const [one] = await collect(client.readStream(a, { maxCount: 1 }), (e) => e.event);
  seen.event = {
    type: one.type, stream: one.streamId === a, data: one.data, metadata: one.metadata, json: one.isJson,
    id: /^[0-9a-f-]{36}$/.test(one.id), recent: Math.abs(Date.now() - one.created.getTime()) < 60000,
  };
  const [bytes] = await collect(client.readStream(a, { fromRevision: 4n, maxCount: 1 }), (e) => e.event);
  seen.bytes = { json: bytes.isJson, data: Array.from(bytes.data) };
  seen.notFound = (await refused(() => collect(client.readStream(name("none")), revision))).type;

  const all = await collect(client.readAll({ direction: FORWARDS, fromPosition: START }), (e) => e);
  seen.all = all.filter((e) => e.event.streamId === a).map(revision);
  seen.allIncreases = all.every((e, i) => i === 0 || e.event.position.commit > all[i - 1].event.position.commit);
  const back = await collect(client.readAll({ direction: BACKWARDS, fromPosition: END, maxCount: 1000 }), (e) => e);
  seen.allBack = back.filter((e) => e.event.streamId === a).map(revision);
  seen.allFiltered = await collect(client.readAll({ filter: streamNameFilter({ prefixes: [a] }) }), revision).catch((e) => String(e));

  const m = name("m");
  await client.setStreamMetadata(m, { maxCount: 2, custom: "x" });
  const metadata = await client.getStreamMetadata(m);
  seen.metadata = metadata.metadata;
  await client.appendToStream(m, [event(0), event(1), event(2)]);
  seen.maxCount = await collect(client.readStream(m), revision);

  const s = name("s");
  await client.appendToStream(s, [event(0), event(1)]);
  seen.subscribeStream = await take(client.subscribeToStream(s, { fromRevision: 0n }), 1, revision);
  seen.filtered = await take(client.subscribeToAll({ fromPosition: START, filter: streamNameFilter({ prefixes: [s] }) }), 2, revision);

  // A filtered subscription with checkpoints, over events it does not want.
  const kind = name("kind");
  const checkpoints = [];
  await client.appendToStream(name("other"), Array.from({ length: 100 }, (_, i) => event(i)));
  await client.appendToStream(s, [jsonEvent({ type: kind, data: {} })]);
  const filter = eventTypeFilter({
    prefixes: [kind], maxSearchWindow: 10, checkpointInterval: 2,
    checkpointReached: (_, position) => checkpoints.push(position.commit),
  });
  seen.checkpointed = await take(client.subscribeToAll({ fromPosition: START, filter }), 1, revision);
  seen.checkpoints = { some: checkpoints.length >= 5, increase: checkpoints.every((p, i) => i === 0 || p > checkpoints[i - 1]) };

  const live = client.subscribeToStream(name("live"), { fromRevision: START });
  const id = await new Promise((resolve) => live.on("confirmation", () => resolve("confirmed")));
  seen.live = id;
  await live.unsubscribe();

  const d = name("d");
  await client.appendToStream(d, [event(0), event(1)]);
  await client.deleteStream(d);
  seen.softDeleted = (await refused(() => collect(client.readStream(d), revision))).type;
  r = await client.appendToStream(d, event(2), { expectedRevision: NO_STREAM });
  seen.recreated = { next: Number(r.nextExpectedRevision), read: await collect(client.readStream(d), revision) };
  const wrongDelete = await refused(() => client.deleteStream(d, { expectedRevision: 9n }));
  seen.deleteAtWrongVersion = { type: wrongDelete.type, sameStream: wrongDelete.streamName === d };
  await client.tombstoneStream(d);
  const gone = await refused(() => collect(client.readStream(d), revision));
  seen.tombstoned = { type: gone.type, sameStream: gone.streamName === d };
  seen.appendToTombstoned = (await refused(() => client.appendToStream(d, event(3)))).type;

  const l = name("l");
  await client.appendToStream(l, [
    jsonEvent({ type: "$>", data: {} }), // not a link: it names nothing
  ]);
  const link = (to) => binaryEvent({ type: "$>", data: Buffer.from(to) });
  await client.appendToStream(l, [link(`1@${a}`), link(`99@${a}`)]);
  seen.links = await collect(client.readStream(l, { fromRevision: 1n, resolveLinkTos: true }), (e) => ({
    event: e.event ? { own: e.event.streamId === a, revision: Number(e.event.revision) } : null,
    link: e.link ? Number(e.link.revision) : null,
  }));

  const big = await refused(() => client.appendToStream(name("big"), binaryEvent({ type: "t", data: Buffer.alloc((1 << 20) + 1) })));
  seen.tooLarge = big.type;
  // Unimplemented is an unknown error to this client; what matters is that it answers.
  seen.persistent = (await refused(() => client.createPersistentSubscriptionToStream(a, "g", {
    ...require("@eventstore/db-client").persistentSubscriptionToStreamSettingsFromDefaults(),
  }))).type;

  await client.dispose();
  console.log(JSON.stringify(seen, null, 1));
}

main().then(() => process.exit(0), (e) => {
  console.error(e);
  console.error(JSON.stringify(seen));
  process.exit(1);
});

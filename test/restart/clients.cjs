// Clients of the TypeScript SDK v1 in one process. Each line on standard input is an
// order for all of them; the line that answers it has what each of them got.
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = require('@modelcontextprotocol/sdk/client/streamableHttp.js');
const { createInterface } = require('node:readline');

const [url, key, count] = process.argv.slice(2);
let greetings = 0;

async function connect() {
  const client = new Client({ name: 'restart-ts', version: '1' });
  const fetchCounted = (to, init) => {
    if (typeof init?.body === 'string' && init.body.includes('"method":"initialize"')) greetings++;
    return fetch(to, init);
  };
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    fetch: fetchCounted,
    requestInit: { headers: { Authorization: `Bearer ${key}` } },
    reconnectionOptions: { initialReconnectionDelay: 500, maxReconnectionDelay: 5000, reconnectionDelayGrowFactor: 1.5, maxRetries: 8 },
  });
  await client.connect(transport);
  return client;
}

// call has the tool of client i called; the clients take turns with the backends.
async function call(client, i, tool, when, begun) {
  try {
    const name = `${['l', 'm'][i % 2]}_${tool}`;
    const options = { timeout: 50_000, onprogress: begun && (() => begun()) };
    const got = await client.callTool({ name, arguments: { text: `${when} of ts ${i}.` } }, undefined, options);
    return { failed: false, text: JSON.stringify(got) };
  } catch (e) {
    return { failed: true, text: String(e) };
  }
}

// hold has every client make a call that stays at its backend. Some want to hear of
// their progress, so that their answers are streams: a line tells that those have begun.
async function hold(clients, when) {
  const streams = [];
  const calls = clients.map((c, i) => {
    if (i % 4 >= 2) return call(c, i, 'hold', when);
    return new Promise((resolve) => {
      streams.push(new Promise((begun) => resolve(call(c, i, 'hold', when, begun))));
    });
  });
  await Promise.all(streams);
  say([]);
  return Promise.all(calls);
}

const say = (all) => process.stdout.write(JSON.stringify(all) + '\n');

(async () => {
  const clients = [];
  for (let i = 0; i < Number(count); i++) clients.push(await connect());
  say([]);
  for await (const line of createInterface({ input: process.stdin })) {
    const [order, when] = line.split(' ');
    if (order === 'greetings') say([{ failed: false, text: String(greetings) }]);
    else if (order === 'hold') say(await hold(clients, when));
    else say(await Promise.all(clients.map((c, i) => call(c, i, order, when))));
  }
  process.exit(0);
})();

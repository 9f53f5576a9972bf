// What the drivers of both TypeScript SDKs share: they read one request a line,
// {id, conn, op, args}, and write one answer a line, {id, ok} or {id, error}.
// Each connection keeps what its client was told; every op that runs a call gives
// what came while it ran.
import { createInterface } from 'node:readline';

// Answers of the person behind every client. They repeat the question, so that
// the backend's result proves which one was answered.
export const answers = {
  elicit: params => params.mode === 'url'
    ? { action: 'accept' }
    : { action: 'accept', content: Object.fromEntries(params.requestedSchema.required.map(name => [name, 're:' + params.message])) },
  sample: params => {
    const content = [params.messages.at(-1).content].flat()[0];
    return { role: 'assistant', model: 'script', content: { type: 'text', text: 'sampled:' + content.text } };
  },
  roots: () => ({ roots: [{ uri: 'file:///ada', name: 'ada' }] }),
};

// Told is what a client was told outside of results.
export class Told {
  events = [];
  waiting = [];
  add(event) {
    this.events.push(event);
    for (const wake of this.waiting.splice(0)) wake();
  }
  // since runs f and gives what it returns with what came meanwhile. Handlers may
  // run after the result is in: it waits for as many events of a kind as are due.
  async since(f, due) {
    const from = this.events.length;
    const result = await f();
    if (due) await this.until(5000, () => this.events.slice(from).filter(e => e.kind === due.kind).length >= due.count);
    return { result, events: this.events.slice(from) };
  }
  async until(ms, enough) {
    const end = Date.now() + ms;
    for (;;) {
      if (enough()) return true;
      const left = end - Date.now();
      if (left <= 0) return false;
      await new Promise(wake => {
        this.waiting.push(wake);
        setTimeout(wake, left).unref();
      });
    }
  }
  forget() { this.events.length = 0; }
}

// tap notes the progress of calls where it arrives. The SDKs drop a report that
// comes in one piece with the result, as they forget the call first.
export function tap(transport, told) {
  const tokens = new Set();
  const send = transport.send.bind(transport);
  transport.send = (message, options) => {
    const token = message.params?._meta?.progressToken;
    if (token !== undefined) tokens.add(token);
    return send(message, options);
  };
  let deliver;
  Object.defineProperty(transport, 'onmessage', {
    configurable: true,
    get: () => deliver,
    set: f => {
      deliver = f && ((message, extra) => {
        const p = message.params;
        if (message.method === 'notifications/progress' && tokens.has(p.progressToken)) {
          told.add({ kind: 'progress', progress: p.progress, message: p.message });
        }
        return f(message, extra);
      });
    },
  });
}

// cancelled runs a call and aborts it at its first progress.
export async function cancelled(told, call) {
  const stop = new AbortController();
  const run = () => call({ signal: stop.signal, onprogress: () => stop.abort('enough') });
  const { result, events } = await told.since(() => run().then(() => false, () => stop.signal.aborted));
  return { aborted: result, events };
}

// opened resolves when a transport's fetch has seen the answer to its GET.
export function watchedFetch() {
  let arrived;
  const opened = new Promise(resolve => { arrived = resolve; });
  const watched = async (url, init) => {
    const res = await fetch(url, init);
    if ((init?.method ?? 'GET') === 'GET') arrived();
    return res;
  };
  return { opened, fetch: watched };
}

export function serve(open) {
  const conns = new Map();
  const answer = line => process.stdout.write(JSON.stringify(line) + '\n');
  const handle = async ({ id, conn, op, args }) => {
    try {
      if (op === 'open') {
        const opened = await open(args);
        conns.set(conn, opened);
        answer({ id, ok: opened.greeting });
        return;
      }
      const c = conns.get(conn);
      if (!c?.[op]) throw new Error(`no op ${op}`);
      answer({ id, ok: (await c[op](args ?? {})) ?? null });
    } catch (e) {
      answer({ id, error: String(e?.message ?? e) });
    }
  };
  createInterface({ input: process.stdin, crlfDelay: Infinity })
    .on('line', line => { handle(JSON.parse(line)); })
    .on('close', () => process.exit(0));
}

// Drives the TypeScript SDK v2, pinned to 2026-07-28, or in its legacy mode.
import { Client, SSEClientTransport, StreamableHTTPClientTransport, LOG_LEVEL_META_KEY } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { createTaskSessionFromClient, resultFromTaskOutcome, toolDeclarationFromMcpTool } from '@modelcontextprotocol/ext-tasks/client';
import { answers, cancelled, serve, tap, Told, watchedFetch } from './lines.mjs';

const modern = '2026-07-28';
const patience = { timeout: 20000 };
const info = { name: 'matrix-v2', version: '1' };

function transportOf(args, watched) {
  if (args.command) return new StdioClientTransport({ command: args.command, args: args.args, env: args.env, stderr: 'ignore' });
  const opts = { requestInit: { headers: { Authorization: 'Bearer ' + args.key } }, fetch: watched.fetch };
  return args.sse ? new SSEClientTransport(new URL(args.url), opts) : new StreamableHTTPClientTransport(new URL(args.url), opts);
}

function listen(client, told, capabilities) {
  client.setNotificationHandler('notifications/message', n => told.add({ kind: 'log', level: n.params.level, data: n.params.data }));
  client.setNotificationHandler('notifications/tools/list_changed', () => told.add({ kind: 'tools' }));
  client.setNotificationHandler('notifications/resources/updated', n => told.add({ kind: 'updated', uri: n.params.uri }));
  const answer = (method, kind, f) => client.setRequestHandler(method, req => {
    told.add({ kind, params: req.params });
    return f(req.params);
  });
  if (capabilities.elicitation) answer('elicitation/create', 'elicit', answers.elicit);
  if (capabilities.sampling) answer('sampling/createMessage', 'sample', answers.sample);
  if (capabilities.roots) answer('roots/list', 'roots', answers.roots);
}

// raw sends requests past the SDK's own codecs, which refuse the results of the
// tasks extension, over the same transport; it shows every result to look.
function raw(transport, look) {
  let last = 0;
  const waiting = new Map();
  const onmessage = transport.onmessage;
  transport.onmessage = (message, extra) => {
    if (message.result) look(message.result);
    const take = waiting.get(message.id);
    if (!take || message.method) return onmessage(message, extra);
    waiting.delete(message.id);
    take(message);
  };
  return request => new Promise((resolve, reject) => {
    const id = 'raw-' + ++last;
    waiting.set(id, resolve);
    transport.send({ jsonrpc: '2.0', id, ...request }).catch(reject);
  });
}

async function runTask(client, transport, args, p) {
  const seen = { statuses: [] };
  const dispatch = raw(transport, result => {
    const created = result.task ?? (result.resultType === 'task' && result);
    if (created) seen.id = created.taskId;
    else if (result.taskId) seen.statuses.push(result.status);
  });
  const pinned = args.revision === modern;
  const { tools } = await client.listTools({}, patience);
  const declaration = toolDeclarationFromMcpTool(tools.find(t => t.name === p.name));
  const session = createTaskSessionFromClient(client, {
    endpointId: 'matrix',
    ...(pinned && {
      rawDispatch: dispatch,
      v2RequestFraming: { protocolVersion: modern, clientInfo: info, clientCapabilities: args.capabilities },
    }),
  });
  try {
    const execution = await session.callTool(p.name, p.arguments, { declaration, task: { preference: 'prefer' } });
    const { outcome } = await execution.settle();
    seen.result = resultFromTaskOutcome(outcome);
    return seen;
  } finally {
    await session.close();
  }
}

serve(async args => {
  const told = new Told();
  const watched = watchedFetch();
  const transport = transportOf(args, watched);
  tap(transport, told);
  const pinned = args.revision === modern;
  const client = new Client(info, { capabilities: args.capabilities, versionNegotiation: { mode: pinned ? { pin: modern } : 'legacy' } });
  listen(client, told, args.capabilities);
  await client.connect(transport, patience);
  if (!pinned && !args.command) await watched.opened; // the stream for what belongs to no call
  const subscriptions = new Map();
  if (pinned) subscriptions.set('', await client.listen({ toolsListChanged: true }, patience));
  let meta;
  const call = (p, options) => client.callTool({ name: p.name, arguments: p.arguments, ...(meta && { _meta: meta }) },
    { ...patience, onprogress: () => {}, ...options });
  const fresh = { ...patience, cacheMode: 'refresh' };
  return {
    greeting: { revision: client.getNegotiatedProtocolVersion(), capabilities: client.getServerCapabilities() },
    ping: () => client.ping(patience),
    tools: async () => (await client.listTools({}, fresh)).tools,
    prompts: async () => (await client.listPrompts({}, fresh)).prompts,
    resources: async () => (await client.listResources({}, fresh)).resources,
    templates: async () => (await client.listResourceTemplates({}, fresh)).resourceTemplates,
    call: p => told.since(() => call(p), p.due),
    cancel: p => cancelled(told, options => call(p, options)),
    prompt: p => client.getPrompt(p, patience),
    read: p => client.readResource(p, fresh),
    level: p => {
      if (!pinned) return client.setLoggingLevel(p.level, patience);
      meta = { [LOG_LEVEL_META_KEY]: p.level };
    },
    subscribe: async p => {
      if (!pinned) return client.subscribeResource(p, patience);
      const s = await client.listen({ resourceSubscriptions: [p.uri] }, patience);
      if (!s.honoredFilter.resourceSubscriptions?.includes(p.uri)) throw new Error('not honoured: ' + JSON.stringify(s.honoredFilter));
      subscriptions.set(p.uri, s);
    },
    unsubscribe: async p => {
      if (!pinned) return client.unsubscribeResource(p, patience);
      await subscriptions.get(p.uri).close();
    },
    forget: () => told.forget(),
    until: p => told.until(p.ms, () => told.events.some(e => e.kind === p.kind && (!p.uri || e.uri === p.uri))),
    complete: p => client.complete(p, patience),
    task: p => runTask(client, transport, args, p),
    close: () => client.close(),
  };
});

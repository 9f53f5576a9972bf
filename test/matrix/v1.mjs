// Drives the TypeScript SDK v1, which speaks the legacy revisions.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CallToolResultSchema, CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema,
  LoggingMessageNotificationSchema, ResourceUpdatedNotificationSchema, ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { answers, cancelled, serve, tap, Told, watchedFetch } from './lines.mjs';

const patience = { timeout: 20000 };

function transportOf(args, watched) {
  if (args.command) return new StdioClientTransport({ command: args.command, args: args.args, env: args.env, stderr: 'ignore' });
  const opts = { requestInit: { headers: { Authorization: 'Bearer ' + args.key } }, fetch: watched.fetch };
  return args.sse ? new SSEClientTransport(new URL(args.url), opts) : new StreamableHTTPClientTransport(new URL(args.url), opts);
}

// The SDK always asks for its newest revision; here it asks for the one wanted.
function askFor(transport, revision) {
  const send = transport.send.bind(transport);
  transport.send = (message, options) => {
    if (message.method === 'initialize') message = { ...message, params: { ...message.params, protocolVersion: revision } };
    return send(message, options);
  };
}

function listen(client, told, capabilities) {
  client.setNotificationHandler(LoggingMessageNotificationSchema, n => told.add({ kind: 'log', level: n.params.level, data: n.params.data }));
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => told.add({ kind: 'tools' }));
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, n => told.add({ kind: 'updated', uri: n.params.uri }));
  const answer = (schema, kind, f) => client.setRequestHandler(schema, req => {
    told.add({ kind, params: req.params });
    return f(req.params);
  });
  if (capabilities.elicitation) answer(ElicitRequestSchema, 'elicit', answers.elicit);
  if (capabilities.sampling) answer(CreateMessageRequestSchema, 'sample', answers.sample);
  if (capabilities.roots) answer(ListRootsRequestSchema, 'roots', answers.roots);
}

serve(async args => {
  const told = new Told();
  const watched = watchedFetch();
  const transport = transportOf(args, watched);
  tap(transport, told);
  askFor(transport, args.revision);
  const client = new Client({ name: 'matrix-v1', version: '1' }, { capabilities: args.capabilities });
  listen(client, told, args.capabilities);
  let negotiated = '';
  if (!args.command) {
    const set = transport.setProtocolVersion?.bind(transport);
    transport.setProtocolVersion = v => { negotiated = v; set?.(v); };
  } else {
    transport.setProtocolVersion = v => { negotiated = v; };
  }
  await client.connect(transport, patience);
  if (!args.command) await watched.opened; // the stream for what belongs to no call
  const call = (p, options) => client.request({ method: 'tools/call', params: { name: p.name, arguments: p.arguments } },
    CallToolResultSchema, { ...patience, onprogress: () => {}, ...options });
  return {
    greeting: { revision: negotiated, capabilities: client.getServerCapabilities() },
    ping: () => client.ping(patience),
    tools: async () => (await client.listTools({}, patience)).tools,
    prompts: async () => (await client.listPrompts({}, patience)).prompts,
    resources: async () => (await client.listResources({}, patience)).resources,
    templates: async () => (await client.listResourceTemplates({}, patience)).resourceTemplates,
    call: p => told.since(() => call(p), p.due),
    cancel: p => cancelled(told, options => call(p, options)),
    prompt: p => client.getPrompt(p, patience),
    read: p => client.readResource(p, patience),
    level: p => client.setLoggingLevel(p.level, patience),
    subscribe: p => client.subscribeResource(p, patience),
    unsubscribe: p => client.unsubscribeResource(p, patience),
    forget: () => told.forget(),
    until: p => told.until(p.ms, () => told.events.some(e => e.kind === p.kind && (!p.uri || e.uri === p.uri))),
    complete: p => client.complete(p, patience),
    task: async p => {
      const seen = { statuses: [] };
      const stream = client.experimental.tasks.callToolStream({ name: p.name, arguments: p.arguments }, CallToolResultSchema, { ...patience, task: { ttl: 60000 } });
      for await (const m of stream) {
        if (m.type === 'taskCreated') seen.id = m.task.taskId;
        if (m.type === 'taskStatus') seen.statuses.push(m.task.status);
        if (m.type === 'result') seen.result = m.result;
        if (m.type === 'error') throw m.error;
      }
      return seen;
    },
    close: () => client.close(),
  };
});

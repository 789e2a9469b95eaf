/** sys.servers, on disk, and each session's links to them. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, unsupported } from '../messages.ts';
import { foldText } from '../engine/compare.ts';
import { EngineTransaction } from '../engine/engine-transaction.ts';
import { Link } from './link.ts';
import type { Instance } from '../engine/instance.ts';
import type { LinkedServer, LinkedServers, RemoteAnswer, RemoteRequest, Session } from '../contract.ts';

export class LinkedServerList implements LinkedServers {
  readonly #instance: Instance;
  readonly #path: string;
  #servers: readonly LinkedServer[];
  #saving: Promise<void> = Promise.resolve();
  readonly #links = new Map<Session, Map<string, Link>>();

  private constructor(instance: Instance, path: string, servers: readonly LinkedServer[]) {
    this.#instance = instance;
    this.#path = path;
    this.#servers = servers;
  }

  static async open(instance: Instance): Promise<LinkedServerList> {
    const path = join(instance.options.dataFolder, 'linked-servers.json');
    const text = await readFile(path, 'utf8').catch((cause: unknown) => {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return '[]';
      throw cause;
    });
    return new LinkedServerList(instance, path, JSON.parse(text) as LinkedServer[]);
  }

  list(): readonly LinkedServer[] {
    return this.#servers;
  }

  find(name: string): LinkedServer | undefined {
    const wanted = foldText(name);
    return this.#servers.find(server => foldText(server.name) === wanted);
  }

  add({ name, product, dataSource }: Parameters<LinkedServers['add']>[0]): Promise<void> {
    return this.#change(servers => {
      if (servers.some(server => foldText(server.name) === foldText(name))) throw fail(15028, name);
      const id = Math.max(0, ...servers.map(server => server.id)) + 1;
      return [...servers, { id, name, product, dataSource, rpc: false, rpcOut: false, dataAccess: true }];
    });
  }

  async drop(name: string): Promise<void> {
    const key = foldText(this.#known(name).dataSource);
    await this.#change(servers => {
      this.#known(name);
      return servers.filter(server => foldText(server.name) !== foldText(name));
    });
    if (this.#servers.some(server => foldText(server.dataSource) === key)) return;
    for (const links of this.#links.values()) {
      links.get(key)?.close();
      links.delete(key);
    }
  }

  set(name: string, option: 'rpc' | 'rpc out' | 'data access', on: boolean): Promise<void> {
    const key = { rpc: 'rpc', 'rpc out': 'rpcOut', 'data access': 'dataAccess' }[option];
    return this.#change(servers => {
      const { id } = this.#known(name);
      return servers.map(server => (server.id === id ? { ...server, [key]: on } : server));
    });
  }

  #known(name: string): LinkedServer {
    const server = this.find(name);
    if (server === undefined) throw fail(15015, name);
    return server;
  }

  /** One at a time; what is answered is on disk. */
  #change(next: (servers: readonly LinkedServer[]) => readonly LinkedServer[]): Promise<void> {
    const changed = this.#saving.then(async () => {
      const servers = next(this.#servers);
      await this.#instance.disk.replace(this.#path, [Buffer.from(JSON.stringify(servers, undefined, 1))]);
      this.#servers = servers;
    });
    // Whoever asked for it is told how it ended; the next one starts from what is true then.
    this.#saving = changed.catch(() => undefined);
    return changed;
  }

  async ask(session: Session, name: string, request: RemoteRequest): Promise<RemoteAnswer> {
    const server = this.find(name);
    if (server === undefined) throw fail(7202, name);
    if (request.kind === 'procedure' && !server.rpcOut) throw fail(7411, server.name, 'RPC');
    if (request.kind === 'query' && !server.dataAccess) throw fail(7411, server.name, 'DATA ACCESS');
    if (foldText(server.dataSource) === foldText(this.#instance.serverName)) {
      throw unsupported('a linked server that is this very instance');
    }
    const { transaction } = session;
    if (transaction?.state === 'doomed') throw fail(3930);
    if (transaction instanceof EngineTransaction && transaction.enlisted) {
      throw unsupported('a linked server within a transaction that began at another instance');
    }
    return this.#link(session, server).ask(request);
  }

  /** Names of one data source share a session there, and so one part of a transaction and its locks. */
  #link(session: Session, server: LinkedServer): Link {
    const links = this.#links.get(session) ?? new Map<string, Link>();
    this.#links.set(session, links);
    const key = foldText(server.dataSource);
    const link = links.get(key) ?? new Link(this.#instance, session, server);
    links.set(key, link);
    return link;
  }

  /** The session has ended: so do its sessions elsewhere. */
  release(session: Session): void {
    for (const link of this.#links.get(session)?.values() ?? []) link.close();
    this.#links.delete(session);
  }
}

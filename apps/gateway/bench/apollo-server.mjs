// A peer, for development only: copied into a folder outside this workspace where @apollo/gateway (Elastic-2.0) is installed, and run there.
import { readFileSync } from 'node:fs';
import { ApolloGateway } from '@apollo/gateway';
import { ApolloServer } from '@apollo/server';
import fastifyApollo, { fastifyApolloDrainPlugin } from '@as-integrations/fastify';
import Fastify from 'fastify';

process.once('disconnect', () => process.exit(0));
const app = Fastify();
const gateway = new ApolloGateway({ supergraphSdl: readFileSync(process.argv[2], 'utf8') });
const server = new ApolloServer({ gateway, plugins: [fastifyApolloDrainPlugin(app)] });
await server.start();
await app.register(fastifyApollo(server));
await app.listen({ port: 0, host: '127.0.0.1' });
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send({ cpuMs: (user + system) / 1_000, rssMebibytes: process.memoryUsage.rss() / 1_048_576 });
});
process.send({ url: `http://127.0.0.1:${app.server.address().port}/graphql` });

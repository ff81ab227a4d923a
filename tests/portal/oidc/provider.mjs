// An OpenID Connect provider for the tests: node provider.mjs FOLDER_OF_NODE_MODULES REDIRECT_URI
// It prints its address. Signing in is GET <interaction>?login=NAME[&amr=otp][&acr=mfa]; there is nothing to click.
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const [folder, redirect] = process.argv.slice(2);
const { Provider } = await import(pathToFileURL(`${folder}/node_modules/oidc-provider/lib/index.js`));

const server = createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    { client_id: 'portal', client_secret: process.env.PORTAL_OIDC_SECRET, redirect_uris: [redirect] },
  ],
  acrValues: ['mfa'],
  claims: { openid: ['sub', 'acr', 'amr'], profile: ['preferred_username'] },
  cookies: { keys: ['made up'] },
  features: { devInteractions: { enabled: false } },
  pkce: { required: () => true },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id }) }),
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope('openid profile');
    await grant.save();
    return grant;
  },
});

const answer = provider.callback();
server.on('request', async (request, response) => {
  const url = new URL(request.url, issuer);
  const login = url.searchParams.get('login');
  if (!url.pathname.startsWith('/interaction/')) {
    answer(request, response);
  } else if (!login) {
    response.end('who?');
  } else {
    const amr = url.searchParams.getAll('amr');
    const acr = url.searchParams.get('acr') ?? undefined;
    await provider.interactionFinished(request, response, {
      login: { accountId: login, amr: amr.length ? amr : undefined, acr },
    });
  }
});
console.log(issuer);

// The page's own server. It is another origin than the search server's, as it is
// for most pages, so the browser asks the search server for its leave first.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const file = (path) => readFileSync(new URL(path, import.meta.url));

/** Serves the page; resolves to its address and a function that ends it. */
export function serve(settings) {
  const answers = {
    "/": ["text/html; charset=utf-8", file("page.html")],
    "/instantsearch.js": ["text/javascript", file("node_modules/instantsearch.js/dist/instantsearch.production.min.js")],
    "/adapter.js": ["text/javascript", file("node_modules/@meilisearch/instant-meilisearch/dist/instant-meilisearch.umd.min.js")],
    "/settings.json": ["application/json", JSON.stringify(settings)],
  };
  const server = createServer((request, response) => {
    const answer = answers[new URL(request.url, "http://page").pathname];
    response.writeHead(answer ? 200 : 404, { "Content-Type": answer?.[0] ?? "text/plain" });
    response.end(answer?.[1]);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve({ origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() });
    });
  });
}

// The health check of every image: exit status 0 if the service says that it is ready. What is away goes to the log
// of the check (`docker inspect`).
const { PORT = '8080' } = process.env;
const url = `http://127.0.0.1:${PORT}/readyz`;
try {
  const response = await fetch(url, { signal: AbortSignal.timeout(3000) });
  console.log(await response.text());
  process.exitCode = response.ok ? 0 : 1;
} catch (error) {
  console.log(`${url}: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

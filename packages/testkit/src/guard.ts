import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';

/**
 * One shell per process that outlives it for a moment. It reads what to clean up from a pipe, and when the pipe
 * ends, which it does however the process ends (SIGKILL too), it kills the listed processes and removes the listed
 * folders, again and again while the last of a server still writes there.
 */
const SCRIPT = `
trap '' INT TERM HUP QUIT
newline='
'
pids= folders=
without() { printf '%s' "$1" | grep -vxF -- "$2"; }
while IFS=' ' read -r verb kind what; do
  case "$verb $kind" in
    'add pid') pids="$pids$what$newline" ;;
    'drop pid') pids="$(without "$pids" "$what")$newline" ;;
    'add folder') folders="$folders$what$newline" ;;
    'drop folder') folders="$(without "$folders" "$what")$newline" ;;
  esac
done
for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
printf '%s' "$folders" | while IFS= read -r folder; do
  tries=0
  while [ -n "$folder" ] && ! rm -rf -- "$folder" 2>/dev/null && [ $tries -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
done
`;

let guard: ChildProcess | undefined;

function tell(line: string): void {
  if (guard === undefined) {
    // Its own session: a Ctrl-C or a closed terminal must not end it before it has cleaned up.
    guard = spawn('/bin/sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    guard.stdin?.on('error', () => 'the guard is gone, then so is what it could do');
    guard.unref();
    // Neither the shell nor the pipe to it keeps this process running.
    if (guard.stdin instanceof Socket) guard.stdin.unref();
  }
  guard.stdin?.write(`${line}\n`);
}

/** Has the process killed when this one ends, in whatever way. Returns how to take that back. */
export function guardProcess(pid: number): () => void {
  tell(`add pid ${pid}`);
  return () => tell(`drop pid ${pid}`);
}

/** Has the folder removed when this process ends, in whatever way. Returns how to take that back. */
export function guardFolder(path: string): () => void {
  tell(`add folder ${path}`);
  return () => tell(`drop folder ${path}`);
}

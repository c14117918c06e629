import { eventually, type ServiceProcess } from '@event-bus/testkit';

/** What a counter of a mover says, whatever its attributes; `name` as in Prometheus. */
export async function counterOf(mover: ServiceProcess, name: string): Promise<number> {
  const port = /"port":(\d+)/.exec(mover.output())?.[1];
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(new RegExp(`^${name}\\{.*?\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
}

/** Waits until a mover has swept so many times more. */
export async function untilSwept(mover: ServiceProcess, times: number): Promise<void> {
  const sweeps = () => counterOf(mover, 'bus_dead_letters_sweep_duration_count');
  const before = await sweeps();
  await eventually(async () => (await sweeps()) >= before + times);
}

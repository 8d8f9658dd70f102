import { setPriority } from 'node:os';
import { Attacker, type Prey } from './attacker.js';
import { ATTACKS, type Size } from './attacks.js';

/** The attacker's process is told these: first a job, later to strike and to stop. */
export type Order =
  | { readonly order: 'prepare'; readonly attack: string; readonly prey: Prey; readonly size: Size }
  | { readonly order: 'strike' | 'stop' };
/** It says that it stands ready, and later which answers it got until it stopped, by status (0 = none). */
export type Report =
  | { readonly report: 'prepared' }
  | { readonly report: 'stopped'; readonly answers: Readonly<Record<string, number>> }
  | { readonly report: 'failed'; readonly reason: string };

/**
 * The priority is lower than that of the server and of the victim: they share two cores with the attacker, whose own
 * work is not measured.
 */
const NICENESS = 15;

/** The child process of hostile-run.ts. */
const run = (tell: (report: Report) => void): void => {
  let attacker: Attacker | undefined;
  let rounds: Promise<unknown> = Promise.resolve();
  let round: (() => Promise<void>) | undefined;
  let together = 1;
  const obey = async (order: Order): Promise<void> => {
    if (order.order === 'prepare') {
      const attack = ATTACKS.find(({ name }) => name === order.attack)!;
      attacker = new Attacker(order.prey);
      together = attack.together;
      round = await attack.prepare(attacker, order.size);
      for (const status of Object.keys(attacker.answers)) delete attacker.answers[status];
      tell({ report: 'prepared' });
    } else if (order.order === 'strike') {
      rounds = Promise.all(
        Array.from({ length: together }, async () => {
          while (!attacker!.stopped) await round!();
        }),
      );
    } else {
      const { answers } = attacker!;
      attacker!.end();
      await rounds;
      tell({ report: 'stopped', answers });
    }
  };
  process.on('message', (order: Order) => {
    obey(order).catch((error: Error) => tell({ report: 'failed', reason: error.stack ?? error.message }));
  });
};

if (process.send && process.argv[1]?.endsWith('attacker-process.js')) {
  setPriority(NICENESS);
  run((report) => process.send!(report));
}

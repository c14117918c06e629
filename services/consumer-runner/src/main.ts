import { runService } from '@event-bus/service';
import { config } from './config.ts';
import { createParts } from './parts.ts';

await runService({ name: 'consumer-runner', config, setup: createParts });

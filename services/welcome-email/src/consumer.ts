import { loadConfig } from '@event-bus/config';
import { config } from './config.ts';
import { createMailer } from './create-mailer.ts';
import { createWelcomeEmail } from './welcome-email.ts';

// What the runner loads: it refuses to start, and says why, if the configuration is not usable.
export default createWelcomeEmail(createMailer(loadConfig(config, process.env)));

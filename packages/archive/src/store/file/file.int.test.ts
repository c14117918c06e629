import { testArchiveStore } from '../../conformance/index.ts';
import { openFiles } from '../../testing/open-stores.ts';

testArchiveStore('in files', openFiles, { network: false, lifecycle: false, objectLock: false });

// The script-tag build: the global that pages of the reference's client use.
import { Client } from './client.js';

/** @type {any} */ (globalThis).StatsDHttpProxy = { Client };

export { Client } from "./client.js";

// One break: the server draws it; this sends what somebody does about it, and keeps what is shown fresh.

import "./session.js";
import { setUpActs } from "./break-acts.js";
import { refreshEvery } from "./fresh.js";

/** How often a break is looked at that others may be working on. */
const EVERY_MS = 5_000;

setUpActs();
refreshEvery(EVERY_MS);

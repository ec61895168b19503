// Today at a glance: the server draws it; this keeps it fresh while somebody looks.

import "./session.js";
import { refreshEvery } from "./fresh.js";

const EVERY_MS = 15_000;

refreshEvery(EVERY_MS);

// Cases as JSON on stdin, verdicts on stdout: whether Standard Webhooks' own library for JavaScript takes each request.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(process.argv[2] + "/");
const { Webhook, WebhookVerificationError } = require("standardwebhooks");

function takes({ key, headers, body }) {
  try {
    new Webhook(key).verify(Buffer.from(body, "base64").toString("utf8"), headers);
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(takes)));

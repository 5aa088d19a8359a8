// Exits with 0 when the document on standard input is OpenAPI, else says why it is not.
import("@seriousme/openapi-schema-validator").then(async ({ Validator }) => {
  let text = "";
  for await (const piece of process.stdin) text += piece;
  const result = await new Validator().validate(JSON.parse(text));
  if (!result.valid) console.error(JSON.stringify(result.errors, null, 2));
  process.exit(result.valid ? 0 : 1);
});

// @ts-check
/** The page /docs: Swagger UI over the studio's own OpenAPI document. Knows no route by name. */

/** @type {any} */ (window).SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
});

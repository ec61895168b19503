//! A page that lists the operations of an OpenAPI document: our own HTML, nothing fetched from elsewhere.

use axum::Router;
use axum::body::Bytes;
use axum::response::Html;
use axum::routing::get;
use http::header;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;
use utoipa::openapi::OpenApi;

const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;\
margin:auto;padding:1rem}code{font-family:ui-monospace,monospace}section{border-top:1px solid #8886;padding:.5rem 0}\
h2{font-size:1rem;margin:.5rem 0;overflow-wrap:anywhere}h2 b{display:inline-block;min-width:4.5rem}\
table{border-collapse:collapse;width:100%}td{padding:.15rem .75rem .15rem 0;vertical-align:top}\
td:first-child{width:12rem;overflow-wrap:anywhere}a{color:inherit}";

/// `/openapi.json` and `/docs` for one document. [`crate::Edge::finish`] adds them by itself.
pub fn docs_routes(document: &OpenApi) -> Router {
    // A document of our own types always serializes.
    let json = document.to_json().unwrap_or_default();
    let page = docs_page(&json);
    let json = Bytes::from(json);
    Router::new()
        .route(
            "/openapi.json",
            get(async move || ([(header::CONTENT_TYPE, "application/json")], json.clone())),
        )
        .route("/docs", get(async move || Html(page.clone())))
}

/// The page of an OpenAPI document. A text that is no such document gives a page that says so.
pub fn docs_page(spec_json: &str) -> String {
    let Ok(spec) = serde_json::from_str::<Value>(spec_json) else {
        return layout("API", &html! { p { "There is no readable OpenAPI document." } });
    };
    let title = text(&spec["info"]["title"], "API");
    let paths = spec["paths"].as_object();
    let operations = paths.into_iter().flatten().flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| Some((path, *method, item.get(method)?)))
    });
    let body = html! {
        h1 { (title) " " small { (text(&spec["info"]["version"], "")) } }
        p { (text(&spec["info"]["description"], "")) }
        p { a href="/openapi.json" { "openapi.json" } }
        @for (path, method, operation) in operations { (section(path, method, operation)) }
    };
    layout(title, &body)
}

fn layout(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

fn section(path: &str, method: &str, operation: &Value) -> Markup {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let responses = operation["responses"].as_object().into_iter().flatten();
    let request = operation["requestBody"]["content"].as_object().into_iter().flatten();
    html! {
        section {
            h2 { b { (method.to_uppercase()) } code { (path) } }
            p { (text(&operation["summary"], text(&operation["description"], ""))) }
            table {
                @for parameter in parameters {
                    tr {
                        td { code { (text(&parameter["name"], "")) } }
                        td { (text(&parameter["in"], "")) " " (text(&parameter["description"], "")) }
                    }
                }
                @for (kind, content) in request {
                    tr { td { "body" } td { code { (kind) } " " (schema_name(&content["schema"])) } }
                }
                @for (status, response) in responses {
                    tr {
                        td { (status) }
                        td {
                            (text(&response["description"], "")) " "
                            @for content in response["content"].as_object().into_iter().flatten() {
                                (schema_name(&content.1["schema"]))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The name of a schema: what it refers to, or its type.
fn schema_name(schema: &Value) -> String {
    if let Some(target) = schema["$ref"].as_str() {
        return target.rsplit('/').next().unwrap_or(target).to_owned();
    }
    match schema["type"].as_str() {
        Some("array") => format!("list of {}", schema_name(&schema["items"])),
        Some(kind) => kind.to_owned(),
        None => String::new(),
    }
}

fn text<'v>(value: &'v Value, fallback: &'v str) -> &'v str {
    value.as_str().unwrap_or(fallback)
}

//! How commands of finance ask a running process, and how they show what it says.

use crate::cli::money::FinanceArgs;
use crate::failure::Failure;
use crate::secrets::Secrets;
use crate::token::subject;
use edge::Role;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// How long the command's own token is good for: one question.
const TOKEN_TTL: Duration = Duration::from_secs(60);

/// How long a process may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How long a process may take to make and send a file.
const FILE_WITHIN: Duration = Duration::from_secs(900);

/// Where a file says what to ask next.
const NEXT_HEADER: &str = "largesse-next";

/// Somebody of finance at a process.
pub struct Finance {
    url: String,
    token: String,
    client: reqwest::Client,
    json: bool,
}

/// What is read of a problem.
#[derive(Deserialize)]
struct ProblemText {
    #[serde(rename = "type")]
    kind: String,
    detail: String,
}

impl Finance {
    pub fn open(args: &FinanceArgs) -> Result<Finance, Failure> {
        let keys = Secrets::open(&args.data_dir)?.token_keys()?;
        let token =
            keys.mint(Role::Finance, subject(Role::Finance, &args.sub), TOKEN_TTL).map_err(Failure::Token)?;
        let url = args.url.trim_end_matches('/').to_owned();
        Ok(Finance { url, token, client: reqwest::Client::new(), json: args.json })
    }

    pub fn is_json(&self) -> bool {
        self.json
    }

    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        let answer = self.answer(self.client.get(format!("{}{path}", self.url))).await?;
        answer.json().await.map_err(refused)
    }

    pub async fn post(&self, path: &str, body: &impl Serialize) -> Result<Value, Failure> {
        let request = self.client.post(format!("{}{path}", self.url)).json(body);
        self.answer(request).await?.json().await.map_err(refused)
    }

    pub async fn post_csv(&self, path: &str, file: String) -> Result<Value, Failure> {
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.header("content-type", "text/csv").body(file);
        self.answer(request).await?.json().await.map_err(refused)
    }

    /// A file, and the query of its next page where there is one.
    pub async fn get_file(&self, path: &str) -> Result<(String, Option<String>), Failure> {
        let answer = self.answer(self.client.get(format!("{}{path}", self.url))).await?;
        let next = answer.headers().get(NEXT_HEADER).and_then(|next| next.to_str().ok()).map(str::to_owned);
        Ok((answer.text().await.map_err(refused)?, next))
    }

    /// Writes a file that the process makes, piece by piece. What does not come whole is not there under its name.
    pub async fn download(&self, path: &str, out: &Path) -> Result<(), Failure> {
        let request = self.client.get(format!("{}{path}", self.url));
        let mut answer = self.answer_within(request, FILE_WITHIN).await?;
        let failed = |source| Failure::File { path: out.to_owned(), source };
        let mut part = out.as_os_str().to_owned();
        part.push(".part");
        let mut file = std::fs::File::create(&part).map_err(failed)?;
        while let Some(piece) = answer.chunk().await.map_err(refused)? {
            file.write_all(&piece).map_err(failed)?;
        }
        file.sync_all().map_err(failed)?;
        std::fs::rename(&part, out).map_err(failed)
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Failure> {
        self.answer_within(request, ANSWER_WITHIN).await
    }

    async fn answer_within(
        &self,
        request: reqwest::RequestBuilder,
        limit: Duration,
    ) -> Result<reqwest::Response, Failure> {
        let answer = request.bearer_auth(&self.token).timeout(limit).send().await.map_err(refused)?;
        let Err(error) = answer.error_for_status_ref() else { return Ok(answer) };
        // A process without settlement has no such route, and says so without a problem's form.
        let Ok(problem) = answer.json::<ProblemText>().await else { return Err(refused(error)) };
        let slug = problem.kind.rsplit('/').next().unwrap_or_default().to_owned();
        Err(Failure::Answered { slug, detail: problem.detail })
    }

    /// Prints an answer as JSON, or the rows of its list (of itself, where it has none of this name) as a table.
    pub fn show(&self, answer: &Value, list: &str, columns: &[&str]) {
        if self.json {
            println!("{}", serde_json::to_string_pretty(answer).unwrap_or_default()); // Plain values always print.
            return;
        }
        match answer.get(list).and_then(Value::as_array) {
            Some(rows) => print!("{}", table(rows, columns)),
            None => print!("{}", table(std::slice::from_ref(answer), columns)),
        }
    }
}

fn refused(error: reqwest::Error) -> Failure {
    Failure::Refused {
        what: "the process at --url",
        change: "start it, or name another",
        source: Box::new(error),
    }
}

/// Reads a file of the command line.
pub fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|source| Failure::File { path: path.to_owned(), source })
}

/// Reads a file of settings, TOML or, by its name, JSON.
pub fn read_setting(path: &Path) -> Result<Value, Failure> {
    let text = read(path)?;
    let malformed = |reason: String| {
        let detail = format!("{} cannot be read: {reason}", path.display());
        Failure::Answered { slug: "malformed".to_owned(), detail }
    };
    match path.extension().is_some_and(|extension| extension == "json") {
        true => serde_json::from_str(&text).map_err(|error| malformed(error.to_string())),
        false => toml::from_str(&text).map_err(|error| malformed(error.to_string())),
    }
}

/// Writes a file, or standard output.
pub fn write(path: Option<&Path>, text: &str) -> Result<(), Failure> {
    match path {
        Some(path) => {
            std::fs::write(path, text).map_err(|source| Failure::File { path: path.to_owned(), source })
        }
        None => {
            print!("{text}");
            Ok(())
        }
    }
}

/// Rows of JSON as columns for people; what is not there is a dash.
pub fn table(rows: &[Value], columns: &[&str]) -> String {
    let head = columns.iter().map(|column| (*column).to_owned()).collect();
    let cells = rows.iter().map(|row| columns.iter().map(|column| cell(row.get(*column))).collect());
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(cells).collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}", width(column)));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end()); // A string takes everything.
    }
    text
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::table;
    use serde_json::json;

    #[test]
    fn a_table_is_as_wide_as_its_cells_and_a_dash_where_there_is_nothing() {
        let rows = [json!({"day": "2026-01-31", "payable_minor": -5}), json!({"day": "x"})];
        let expected = "day         payable_minor\n2026-01-31  -5\nx           -\n";
        assert_eq!(table(&rows, &["day", "payable_minor"]), expected);
    }
}

//! Finds functions and how many lines each takes, from `fn` to its closing brace.

use crate::code_only;

/// Each function with a body: its name and its length in lines.
pub fn functions_of(text: &str) -> Vec<(String, usize)> {
    let code = code_only(text);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let stands_alone = !code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if !stands_alone || name.is_empty() {
            continue;
        }
        if let Some(end) = body_end(&code[at..]) {
            let lines = code[at..at + end].matches('\n').count() + 1;
            found.push((name, lines));
        }
    }
    found
}

/// Where the body that follows ends; `None` for a declaration without one.
fn body_end(code: &str) -> Option<usize> {
    let mut brackets = 0_usize;
    let mut braces = 0_usize;
    for (at, character) in code.char_indices() {
        match character {
            '(' | '[' if braces == 0 => brackets += 1,
            ')' | ']' if braces == 0 => brackets = brackets.saturating_sub(1),
            ';' if braces == 0 && brackets == 0 => return None,
            '{' if brackets == 0 => braces += 1,
            '}' if brackets == 0 => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::functions_of;

    #[test]
    fn a_function_is_measured_from_its_first_line_to_its_closing_brace() {
        let text = "\
impl A {
    fn short(&self, of: [u8; 3]) -> u8 { of[0] }
    fn declared(&self);
    fn long(
        one: u8,
    ) -> &'static str {
        if one > 2 { \"}\" } else { \"{\" } // }
    }
}";
        let found = functions_of(text);
        assert_eq!(found, [("short".to_owned(), 1), ("long".to_owned(), 5)]);
    }

    #[test]
    fn types_of_functions_are_not_functions() {
        assert_eq!(functions_of("type Act = fn (u8) -> u8; struct Often { at: u8 }"), []);
    }
}

//! Makes the shipped sample: `make_sample FIGURES CATALOGUE OUT`.
//!
//! FIGURES is a folder with the recorded figures (`samples/README.md` names them and their licences), CATALOGUE
//! the gift catalogue, OUT the file to write. The same inputs always give the same bytes. The product itself
//! needs none of this: what it ships is the result.

mod figures;
mod lines;
mod random;

use flate2::{Compression, GzBuilder};
use loadtest::{Catalogue, Replay, format::Header};
use std::error::Error;
use std::io::Write;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [figures, catalogue, out] = arguments.as_slice() else {
        return Err("usage: make_sample FIGURES CATALOGUE OUT".into());
    };
    let figures = figures::Figures::read(Path::new(figures))?;
    let catalogue = Catalogue::from_json(&std::fs::read(catalogue)?)?;
    let sample = lines::make(&figures, &catalogue)?;

    let file = std::io::BufWriter::new(std::fs::File::create(out)?);
    let mut packed = GzBuilder::new().mtime(0).write(file, Compression::best());
    write_line::<Header>(&mut packed, &sample.header)?;
    for event in &sample.events {
        write_line(&mut packed, event)?;
    }
    packed.finish()?.flush()?;

    let counts = Replay::open(Path::new(out))?.validate(&catalogue)?.counts();
    println!("{counts:#?}\n{} viewers will run out of coins", sample.poor_viewers);
    Ok(())
}

fn write_line<T: serde::Serialize>(out: &mut impl Write, line: &T) -> Result<(), Box<dyn Error>> {
    serde_json::to_writer(&mut *out, line)?;
    Ok(out.write_all(b"\n")?)
}

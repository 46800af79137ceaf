//! What is generated for measuring is an export like any other.

use std::fs::{self, File};
use std::io::BufWriter;

use end_to_end::generated_export::{Shape, generate};

use super::fixture::Places;

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_export_is_taken_over_and_told_again_as_it_is() {
    let places = Places {
        folder: tempfile::tempdir().unwrap(),
    };
    let shape = Shape {
        connections: 3,
        members: 31,
        ..Shape::year(6_000)
    };
    let file = File::create(places.path("generated")).unwrap();
    let footer = generate(&shape, BufWriter::new(file)).unwrap();
    let home = places.shown("home");
    let imported = places.import("generated", &["--data", &home]).await;
    assert_eq!(imported["counts"]["activities"], 6_000);
    let told = places.export(&["--data", &home], "told").await;
    let generated = fs::read_to_string(places.path("generated")).unwrap();
    let generated: Vec<&str> = generated.lines().skip(1).collect();
    for (told, generated) in told.iter().zip(generated) {
        assert_eq!(told, generated);
    }
    assert_eq!(told.len() as u64, footer.lines - 1);
}

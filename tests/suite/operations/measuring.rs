//! `measure`.

use proptest::prelude::*;
use serde_json::json;

use super::{call, list, region, text};
use image::{Rgb, RgbImage};
use lavr::error::ErrorKind;
use lavr::image::{Frame, Image};
use lavr::plan::{Plan, PlanLimits};
use lavr::tool::crop::crop;
use lavr::value::{Region, Value};

fn image() -> Value {
    let half = RgbImage::from_fn(200, 100, |x, _| if x < 100 { Rgb([255, 255, 255]) } else { Rgb([0, 0, 0]) });
    Value::Image(Image::from_pixels(half, Frame::ROOT))
}

fn car() -> Region {
    region("car", 0.9, [20.0, 30.0, 70.5, 80.0])
}

fn measured<const N: usize>(what: &str, args: [(&str, Value); N]) -> f64 {
    match number(what, args) {
        Ok(number) => number,
        Err(error) => panic!("{what}: {error}"),
    }
}

fn number<const N: usize>(what: &str, args: [(&str, Value); N]) -> Result<f64, String> {
    let catalog = super::catalog();
    let mut all: lavr::tool::Args = args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    all.set("what", text(what));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cx = lavr::cx::Cx::new(lavr::budget::Budget::default());
    match runtime.block_on(catalog.get("measure").unwrap().call(&cx, all)) {
        Ok(Value::Number(number)) => Ok(number),
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Tool);
            Err(error.to_string())
        }
    }
}

#[test]
fn sizes_shares_distances_and_brightness() {
    let thing = || ("region", Value::Region(car()));
    let picture = || ("image", image());
    assert_eq!(measured("width", [thing()]), 50.5);
    assert_eq!(measured("height", [picture(), thing()]), 50.0);
    assert_eq!(measured("area", [thing()]), 2525.0);
    assert_eq!(measured("width", [picture()]), 200.0);
    assert_eq!(measured("area", [picture()]), 20_000.0);
    assert_eq!(measured("share", [picture(), thing()]), 12.6);
    assert_eq!(measured("brightness", [picture()]), 50.0);
    assert_eq!(measured("brightness", [picture(), thing()]), 100.0);
    let other = |bounds| ("to", Value::Region(region("dog", 0.5, bounds)));
    assert_eq!(measured("distance", [thing(), other([73.5, 84.0, 90.0, 90.0])]), 5.0, "3 across, 4 down");
    assert_eq!(measured("distance", [thing(), other([70.5, 30.0, 90.0, 40.0])]), 0.0, "they touch");
    let two = [region("a", 1.0, [100.0, 30.0, 110.0, 40.0]), region("b", 1.0, [80.5, 30.0, 90.0, 40.0])];
    assert_eq!(measured("distance", [thing(), ("to", list(&two, Value::Region))]), 10.0, "the nearest of two");
    // What hangs over the edge covers nothing.
    let over = Value::Region(region("wall", 1.0, [-100.0, 0.0, 100.0, 500.0]));
    assert_eq!(measured("share", [picture(), ("region", over)]), 50.0);
}

#[test]
fn the_pixels_are_those_of_the_root_image() {
    let Value::Image(whole) = image() else { panic!("no image") };
    let part = crop(&whole, [50.0, 0.0, 150.0, 100.0], 0.0).unwrap();
    let half = Value::Region(region("left", 1.0, [50.0, 0.0, 100.0, 100.0]));
    assert_eq!(measured("share", [("image", Value::Image(part.clone())), ("region", half.clone())]), 50.0);
    assert_eq!(measured("brightness", [("image", Value::Image(part)), ("region", half)]), 100.0);
}

#[test]
fn a_missing_argument_is_an_error_that_names_it() {
    let thing = || ("region", Value::Region(car()));
    for (result, says) in [
        (number("width", []), "needs `region`, or `image`"),
        (number("share", [thing()]), "`image` is missing"),
        (number("share", [("image", image())]), "`region` is missing"),
        (number("distance", [thing()]), "`to` is missing"),
        (number("brightness", [thing()]), "`image` is missing"),
        (number("distance", [thing(), ("to", Value::List(Vec::new()))]), "empty list"),
        (number("weight", [thing()]), "weight"),
    ] {
        let error = result.unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    let outside = ("region", Value::Region(region("x", 1.0, [900.0, 900.0, 990.0, 990.0])));
    assert!(number("brightness", [("image", image()), outside]).is_err());
}

#[test]
fn a_plan_that_lacks_an_argument_is_faulted_before_it_runs() {
    let faults = |args: serde_json::Value| {
        let mut catalog = lavr::tool::Catalog::new();
        lavr::tool::operations::register(&mut catalog).unwrap();
        let step = json!({ "id": "m", "tool": "measure", "args": args });
        let plan = Plan::parse(&json!({ "steps": [step], "result": "$m" }).to_string()).unwrap();
        let faults = catalog.check(&plan, &PlanLimits { max_steps: 4, images: 1 });
        faults.iter().map(|f| format!("{f}")).collect::<Vec<_>>()
    };
    assert!(faults(json!({ "what": "brightness", "image": "$image" })).is_empty());
    let found = faults(json!({ "what": "share", "image": "$image" }));
    assert!(found.len() == 1 && found[0].contains("steps[0].args.region") && found[0].contains("missing"), "{found:?}");
    assert!(faults(json!({ "what": "width" })).len() == 1);
}

proptest! {
    #[test]
    fn a_distance_is_the_same_both_ways_and_a_share_is_a_percentage(
        a in proptest::array::uniform4(0.0_f64..300.0),
        b in proptest::array::uniform4(0.0_f64..300.0),
    ) {
        let right_way = |[x, y, u, v]: [f64; 4]| [x.min(u), y.min(v), x.max(u), y.max(v)];
        let (a, b) = (region("a", 1.0, right_way(a)), region("b", 1.0, right_way(b)));
        let distance = |x: &Region, y: &Region| {
            measured("distance", [("region", Value::Region(x.clone())), ("to", Value::Region(y.clone()))])
        };
        prop_assert_eq!(distance(&a, &b), distance(&b, &a));
        prop_assert_eq!(distance(&a, &a), 0.0);
        let both = Value::List(vec![Value::Region(a.clone()), Value::Region(b.clone())]);
        let among = measured("distance", [("region", Value::Region(a.clone())), ("to", both)]);
        prop_assert_eq!(among, distance(&a, &b), "among several, a thing is not its own neighbour");
        let share = measured("share", [("image", image()), ("region", Value::Region(a))]);
        prop_assert!((0.0..=100.0).contains(&share));
    }
}

#[test]
fn measures_can_be_compared() {
    let areas = [Value::Number(4.0), Value::List(vec![Value::Number(3.0)])];
    let [a, b] = areas;
    assert_eq!(call("compare", [("a", a), ("b", b), ("op", text("greater"))]).unwrap(), Value::Bool(true));
}

//! Random shapes, determined by a seed.

use super::{MANY_TAGS, Shape, array, filled, list};

const DIALECTS: [&str; 8] = ["statsd", "datadog", "telegraf", "influxdb", "librato", "signalfx", "gostatsd", "plain"];

/// The shape of `seed`, of at most `cap` bytes. Some shapes are compressed.
pub fn random(seed: u64, cap: usize) -> Shape {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (kind, count) = (chance.below(20), [1, 1, 1, 2, 5][chance.below(5)]);
    let separator = ["\n", "\n", "\n", "\r\n", "\n\n", "\n \n"][chance.below(6)];
    let mut unit = |part: fn(&mut Chance) -> String, between: &str| {
        (0..count).map(|_| part(&mut chance)).collect::<Vec<_>>().join(between)
    };
    let (content_type, body) = match kind {
        0..11 => ("text/plain", filled("", &(unit(line, separator) + separator), "", cap)),
        11..17 => ("application/json", array(&unit(object, ","), cap)),
        _ => ("application/x-ndjson", filled("", &(unit(object, separator) + separator), "", cap)),
    };
    let shape = Shape {
        dialect: DIALECTS[chance.below(DIALECTS.len())],
        prefix: ["", "", "web.site"][chance.below(3)],
        tags: [&[][..], &[], &["dc=eu", "env=prod"], &MANY_TAGS][chance.below(4)],
        ..Shape::batch(&format!("random shape {seed}"), content_type, body)
    };
    if chance.below(4) == 0 { shape.compressed() } else { shape }
}

/// xorshift64*: a weak generator, but the same on all machines.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    fn one_of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }

    /// One of `texts`, once or repeated, with `between` as separator.
    fn some_of(&mut self, texts: &[&str], counts: &[usize], between: &str) -> String {
        let count = counts[self.below(counts.len())];
        list(self.one_of(texts), count, between)
    }
}

fn line(chance: &mut Chance) -> String {
    let name = chance.some_of(
        &["a", "a.b", "%", "/", "ё", "§", "to%String", "_", "__proto__.", "statsd.x", "constructo"],
        &[1, 1, 1, 20, 200, 4000],
        "",
    );
    let between = [":", ":", ":", ""][chance.below(4)];
    let values = chance.some_of(
        &[
            "1",
            "-1",
            "+1",
            "1e308",
            "1e9",
            "0e0",
            "1e-320",
            "1.5E+2",
            "9007199254740993.0000000000001e-300",
            "1e",
            "x",
            "%",
            "§",
            "17976931348623157",
        ],
        &[1, 1, 1, 2, 20, 300, 3000],
        between,
    );
    let kind = chance.one_of(&["c", "g", "ms", "s", "h", "d", "x", "ms@0.5"]);
    let more = chance.one_of(&[
        "",
        "",
        "",
        "|@0.5",
        "|@0.001",
        "|@1e-3",
        "|@0.6238671987543217",
        "|@0.3000000000000000166533453693773",
        "|@1e-7",
        "|@1",
        "|c:abc",
        "|e:x",
    ]);
    let tags = chance.some_of(
        &["a", "%", "k:v", "§", "ё:ё", ":x", "k1:v", "k1", " a = b ", "=", "𐐀𐐀", "🙂", "aaaaaaaaaaaaaaaaaaaaaaaa"],
        &[0, 0, 0, 1, 3, 20, 60, 64, 65],
        ",",
    );
    format!("{name}:{values}|{kind}{more}{}{tags}", if tags.is_empty() { "" } else { "|#" })
}

fn object(chance: &mut Chance) -> String {
    if chance.below(16) == 0 {
        return chance
            .one_of(&["1", "[]", "{}", "\"\"", "null", "[[[[1]]]]", "true", "-1e-5", r#"{"\ud800":1}"#])
            .to_owned();
    }
    let name = chance.some_of(&["a", "a.b", r"\u0061", r"\n", "§", r"\ud83d\ude00", "n"], &[1, 1, 1, 20, 200], "");
    let mut members = vec![
        format!(r#""metric":"{name}""#),
        format!(r#""type":"{}""#, chance.one_of(&["c", "g", "ms", "s", "h", "count", "d"])),
    ];
    let number = |chance: &mut Chance| {
        chance
            .one_of(&["1", "-1", "1e308", "1e-320", "\"1\"", r#""\u0031""#, "true", "[1,2]", "-0.00", "1.25e1"])
            .to_owned()
    };
    for key in ["value", "shift", "sampleRate", "time"] {
        if chance.below(3) == 0 {
            let value = if key == "sampleRate" {
                chance.one_of(&["0", "0.5", "1e-9", "\"0.1\"", "1", "1.234567890123456789e-300"]).to_owned()
            } else {
                number(chance)
            };
            members.push(format!(r#""{key}":{value}"#));
        }
    }
    let counts = [1, 20, 60, 64];
    match chance.below(5) {
        0 => {
            let pairs = [r#""a":1"#, r#""":"""#, r#""k1":1e308"#, r#""\u0061":"\u00a7""#, r#""§":"§""#, r#""k":null"#];
            members.push(format!(r#""tags":{{{}}}"#, chance.some_of(&pairs, &counts, ",")));
        }
        1 => {
            let texts = [r#""""#, r#""§""#, r#""k1:v""#, r#""\u00a7""#];
            members.push(format!(r#""tags":[{}]"#, chance.some_of(&texts, &counts, ",")));
        }
        2 => members.push(format!(r#""tags":"{}""#, chance.some_of(&["a", r"\u00a7", "k:v", "§"], &counts, ","))),
        _ => {}
    }
    if chance.below(5) == 0 {
        members.push(chance.some_of(
            &[r#""":1"#, r#""metric":"\n""#, r#""value":1"#, r#""tags":null"#],
            &[1, 5, 200],
            ",",
        ));
    }
    format!("{{{}}}", members.join(","))
}

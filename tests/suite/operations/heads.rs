//! Heads of receipts that are made up: whose they are, and where that is.

use lavr::tool::find_text::{Mode, find_text};
use lavr::value::Line;

/// Lines from top to bottom. `c` marks those of the company's name, `a` those of the address; what stands
/// behind `|` belongs to neither.
const HEADS: &[&str] = &[
    // Somebody's note above it; a number between name and address; what comes behind has a label.
    "- lim woon sim\nc BUKU KITA (TAMAN MAJU) SDN BHD\n- 781234-W\na NO.13 15,17 & 19, JALAN SAGA 8,\na TAMAN MAJU,\na 81100 JOHOR BAHRU,\na JOHOR.\n- DOCUMENT NO : TD01167104\n- DATE: 25/12/2018 8:13:39 PM",
    "- lim woon sim\nc CANTIK HOME DECO\na 27, JALAN DELIMA 13,\na TAMAN PERLING JAYA,\na 81200 JOHOR BAHRU,JOHOR.\n- TEL:07-3507415 FAX:07-3558161",
    // The branch is no part of the address.
    "c MR TOY (JOHOR) SDN BHD\n- (CO. RG: 933119-X)\na LOT 51-A & 51-B, JALAN KPB 6,\na KAWASAN PERINDUSTRIAN BALAKONG,\na 43300 SERI KEMBANGAN, SELANGOR\n- (MALL TEBRAU)\n- -INVOICE-",
    "c FAMOUS BOOK CO. (M) SDN BHD\n- (CO. NO. 113826-W)\n- (GST ID NO. 001492992001)\na NO 8, JALAN 7/118B, DESA TUN RAZAK\na 56000 KUALA LUMPUR, MALAYSIA\n- PARKWAY SHAH ALAM\n- TEL: 03-55235214",
    // The number of a plot is no postcode.
    "c 88 QUICK MART S/B|(519538-X)\na LOT PTB 28123, JALAN ANGSA,\na TAMAN BERKELEY\na 41150 KLANG, SELANGOR\n- GST ID. NO: 000181747713",
    "c BJPETROL PERMAS JAYA 3\na LOT PTB 19668\na JALAN PERMAS UTARA\na 81750 MASAI JOHOR\n- TEL: 07-3866123",
    // A date between name and address.
    "c UNIHOPPO INTERNATIONAL SDN BHD\n- 22 MAR 2018 18:24\n- (867389-U)\na 12, JALAN TAMPOI 7/4,KAWASAN PERINDUSTRIAN\na TAMPOI,81200 JOHOR BAHRU,JOHOR\n- TAX INVOICE",
    // What the company was called before.
    "c GOLDEN CURVES RESTAURANTS SDN BHD\n- (65352-M)\n- FORMERLY KNOWN AS\n- SILVER CURVES SDN BHD\n- LICENSEE OF BURGERS\na LEVEL 6, BANGUNAN TH, UPTOWN 3\na NO.3, JALAN SS21/39,47400 PETALING JAYA\na SELANGOR\n- (GST ID NO: 000504664065)",
    // Names over two and three lines.
    "c TRIPLE SEVEN POINT\nc ENTERPRISE\n- (NS0123456-W)\na NO. 4, JALAN TERATAI 2/3,\na 70300 SEREMBAN, N. SEMBILAN\n- TEL: 06-6331234",
    "c HENG HUAT HARDWARE\nc ENTERPRISE (BUKIT TINGGI)\nc SDN BHD\n- 822278-P\na NO. 17-G, JALAN BATU UNJUR 1,\na BANDAR BUKIT TINGGI, 41200 KLANG\n- TEL: 012 - 6651704 FAX: 03-33623609",
    "c MAJU JAYA\nc (M) SDN BHD\na 9, JALAN MAJU 1,\na 40150 SHAH ALAM\n- TEL: 03-77821234",
    // The kind of paper above the name.
    "- CASH BILL\nc KEDAI PAPAN CHUAN LEE\na LOT 276 JALAN BANTING\na 43800 DENGKIL, SELANGOR.\n- TEL: 03-87686092",
    "- WELCOME TO\nc INDAH PETRO TRADING\na LOT 1234, JALAN TAMBUN\na 31400 IPOH PERAK\n- TELEPHONE: 05-5451234",
    // Words of receipts within a name.
    "c SEGAR CASH & CARRY SDN. BHD\n- (CO. REG NO: 317042-W)\na PT17920, JALAN U8/B,\na BKT JELUTONG, SEK U8 40100\na SHAH ALAM, SELANGOR\n- GST REG NO: 001951645697",
    // A brand above, with and without a name of its own.
    "- FAMOUS\nc FAMOUS BOOK CO. SDN BHD\na NO 8, JALAN 7/118B,\na 56000 KUALA LUMPUR\n- TEL: 03-55235214",
    "c ORANGE TREE RESTAURANT\n- JKJ FOODS SDN BHD (1179229-D)\na NO 3, JALAN PERMAS 10/8,\na BANDAR BARU PERMAS JAYA,\na 81750 JOHOR BAHRU.\n- TEL: 07-3882145",
    "- FAMOUS BOOKSTORE\nc FAMOUS BOOK CO. SDN BHD\na NO 8, JALAN 7/118B,\na 56000 KUALA LUMPUR\n- TEL: 03-55235214",
    // Addresses without the usual words, and with a label.
    "c RESTORAN HASANI\na 7-1-4 D'PINGGIRAN LAVENDER, SENTUL,\na KUALA LUMPUR\n- TEL: 03-40451234",
    "c KLINIK DR. RAMESH\na 12-A, MEDAN ISTANA 1,\na BANDAR IPOH RAYA, 30000 IPOH,\na PERAK DARUL RIDZUAN.\n- OFFICIAL RECEIPT",
    "c LIM HOCK HARDWARE TRADING\na NO 7, SIMPANG OFF BATU VILLAGE,\na JALAN IPOH BATU 5,\na 51200 KUALA LUMPUR\na MALAYSIA.\n- CO. REG NO. : 002231062-T",
    "c NASI KANDAR PELITO SDN. BHD.\n- COMPANY NO. 429384-X\na 149, JALAN AMPANG, 50450 KUALA LUMPUR\n- GST ID NO: 000524042241",
    "c TAN BOON ELECTRICAL PTE LTD\n- REG NO: 198512345K\na BLK 123 BUKIT MERAH LANE 1 #01-88\na SINGAPORE 150123\n- TEL: 6271 1234",
    "c BIG BOX PTE LTD\na 1 Venture Avenue\na Singapore 608521\n- GST Reg No: 201012345R",
    // No address at all.
    "c BAR WONG RICE@PERMAS JAYA\n- (PRICE INCLUDE GST)\n- COUNTER TAKE AWAY\n- BILL #: V001-540835\n- DATE: 2018-03-27 18:56",
];

const BODY: [&str; 6] =
    ["ITEM  QTY  AMOUNT", "PENCIL BOX  2  11.80", "TOTAL RM  11.80", "CASH  20.00", "CHANGE  8.20", "THANK YOU"];

/// The lines of a head and of what is sold, in the middle of the paper.
fn lines(head: &str) -> Vec<Line> {
    let texts = head.lines().map(|l| l[2..].replace('|', " ")).chain(BODY.map(str::to_owned));
    let place = |(n, text): (usize, String)| {
        let (y, half) = (40.0 + 29.0 * n as f64, 5.5 * text.chars().count() as f64);
        let (left, right) = (300.0 - half, 300.0 + half);
        Line { text, score: 0.98, polygon: [[left, y], [right, y], [right, y + 24.0], [left, y + 24.0]] }
    };
    texts.enumerate().map(place).collect()
}

/// What the marked lines say.
fn marked(head: &str, mark: char) -> String {
    let own = head.lines().filter(|l| l.starts_with(mark)).map(|l| l[2..].split('|').next().unwrap());
    own.collect::<Vec<_>>().join(" ")
}

fn found(lines: &[Line], key: &str) -> String {
    let found = find_text(lines, key, Some(Mode::Value)).unwrap();
    found.first().map(|line| line.text.clone()).unwrap_or_default()
}

#[test]
fn names_and_addresses_at_the_head_of_receipts() {
    let mut wrong = Vec::new();
    for head in HEADS {
        let lines = lines(head);
        for (key, mark) in [("company name", 'c'), ("address", 'a')] {
            let (found, expected) = (found(&lines, key), marked(head, mark));
            if found != expected {
                wrong.push(format!("{key}: `{found}`, should be `{expected}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_brand_in_large_letters_does_not_run_into_the_name_below() {
    let at = |text: &str, y: f64, left: f64, right: f64, height: f64| Line {
        text: text.to_owned(),
        score: 0.98,
        polygon: [[left, y], [right, y], [right, y + height], [left, y + height]],
    };
    let mut page = vec![
        at("TOY PARADISE", 20.0, 60.0, 540.0, 60.0),
        at("ACORN TOYS & GAMES SDN BHD", 100.0, 100.0, 500.0, 24.0),
        at("NO 5, JALAN MAJU 2, 81100 JOHOR BAHRU", 130.0, 60.0, 540.0, 24.0),
    ];
    assert_eq!(found(&page, "company name"), "ACORN TOYS & GAMES SDN BHD");
    // In the same letters, and too long for one line, it is one name.
    page[0] = at("TOY PARADISE OF THE", 60.0, 60.0, 540.0, 30.0);
    page[1] = at("NORTH TRADING SDN BHD", 100.0, 40.0, 560.0, 30.0);
    assert_eq!(found(&page, "company name"), "TOY PARADISE OF THE NORTH TRADING SDN BHD");
}

"""Sheets of paper for chains of questions: what one sheet says has to be looked up on the next.

Called by make.py, whose first lines say how to run it. `python tests/images/sheets.py [OUT]` makes only these.
"""

from PIL import Image, ImageDraw

from make import BOLD, MONO, MONO_BOLD, SANS, SERIF, grain, planks, save, shadow, text

INK = (34, 34, 40)
MARGIN = 44


def sheet(size, seed, tint=(250, 248, 241), desk=(136, 100, 68)):
    """A sheet of paper of this size lying on a wooden desk."""
    image = planks((size[0] + 2 * MARGIN, size[1] + 2 * MARGIN), desk, seed, rows=3)
    box = (MARGIN, MARGIN, MARGIN + size[0], MARGIN + size[1])
    shadow(image, box, (5, 8), 10, 130)
    image.paste(grain(Image.new("RGB", size, tint), 0.5, seed, blur=1.0), box[:2])
    return image


def heading(image, string, y, size=42, face=BOLD, under=True, ink=INK):
    """A centred heading with a rule below it."""
    text(image, (image.width // 2, y), string, face, size, ink)
    if under:
        edge = MARGIN + 50
        ImageDraw.Draw(image).line((edge, y + size, image.width - edge, y + size), fill=ink, width=3)


def table(image, top, step, columns, rows, head=None, face=SANS, size=29):
    """Rows of cells; a column is (x, anchor). The head is bold, with a rule below it."""
    draw = ImageDraw.Draw(image)
    left, right = MARGIN + 50, image.width - MARGIN - 50
    if head:
        for (x, anchor), cell in zip(columns, head):
            text(image, (x, top), cell, BOLD, size - 2, INK, anchor)
        draw.line((left, top + step // 2, right, top + step // 2), fill=INK, width=2)
        top += step
    for row, cells in enumerate(rows):
        y = top + row * step
        for (x, anchor), cell in zip(columns, cells):
            text(image, (x, y), cell, face, size, INK, anchor)
        draw.line((left, y + step // 2, right, y + step // 2), fill=(206, 202, 192), width=1)


def lines(image, x, top, step, strings, face=SANS, size=30):
    for row, string in enumerate(strings):
        text(image, (x, top + row * step), string, face, size, INK, "lm")


# ---------------------------------------------------------------- a restaurant: note -> menu -> prices

def note():
    """The kitchen's note: which dish and which dessert are today's."""
    image = sheet((720, 460), 21, tint=(252, 243, 178))
    heading(image, "KITCHEN NOTE", 120, 40)
    lines(image, 104, 232, 84, ("Dish of the day: lamb stew", "Dessert of the day: plum cake", "Soup: as last week"), SERIF, 36)
    save(image, "note.jpg")


def menu():
    """The menu: a number and a dish in each row."""
    image = sheet((800, 900), 22)
    heading(image, "THE COPPER POT", 116, 48, SERIF)
    rows = (("11", "Onion soup"), ("14", "Grilled trout"), ("17", "Lamb stew"), ("21", "Mushroom risotto"),
            ("24", "Roast chicken"), ("32", "Apple pancakes"), ("35", "Plum cake"), ("38", "Vanilla ice cream"))
    table(image, 222, 78, ((120, "lm"), (236, "lm")), rows, ("No.", "Dish"), SERIF, 34)
    save(image, "menu.jpg")


def prices():
    """The price list of the same restaurant: by the numbers of the menu only."""
    image = sheet((720, 900), 23, tint=(246, 247, 250))
    heading(image, "PRICE LIST", 116, 46)
    rows = (("11", "5.20"), ("14", "16.40"), ("17", "13.80"), ("21", "11.50"), ("24", "12.90"), ("32", "6.70"),
            ("35", "4.60"), ("38", "3.90"))
    table(image, 222, 78, ((150, "lm"), (650, "rm")), rows, ("Menu No.", "Euro"), MONO, 34)
    save(image, "prices.jpg")


# ---------------------------------------------------------------- a station: ticket -> departures -> plan

def ticket():
    """A railway ticket: train and destination."""
    image = sheet((860, 470), 24, tint=(226, 240, 232))
    heading(image, "NORTHERN RAILWAY", 112, 40)
    for y, name, value in ((206, "Passenger", "M. HALVORSEN"), (270, "Destination", "ALDERTON"), (334, "Train", "IC 482"),
                           (398, "Seat", "Coach 5, 61")):
        text(image, (110, y), name, SANS, 30, INK, "lm")
        text(image, (400, y), value, MONO_BOLD, 34, INK, "lm")
    text(image, (110, 462), "Valid on 18 June", SANS, 26, INK, "lm")
    save(image, "ticket.jpg")


def departures():
    """The board of the departing trains, printed: time, train, destination, platform."""
    image = sheet((1080, 700), 25, tint=(247, 245, 226))
    heading(image, "DEPARTURES", 112, 46)
    rows = (("10:04", "RE 17", "Westbridge", "2"), ("10:12", "IC 428", "Port Ellis", "9"), ("10:25", "IC 482", "Alderton", "7"),
            ("10:31", "RE 19", "Westbridge", "3"), ("10:48", "IC 284", "Marlow", "5"), ("11:02", "RE 42", "Kingsford", "4"))
    table(image, 216, 76, ((110, "lm"), (290, "lm"), (520, "lm"), (1040, "rm")), rows,
          ("Time", "Train", "To", "Platform"), SANS, 33)
    save(image, "departures.jpg")


def platforms():
    """What is to be found at each platform: the lift and the kiosk."""
    image = sheet((960, 760), 26)
    heading(image, "GUIDE TO THE PLATFORMS", 112, 40)
    rows = (("2", "Lift A", "Corner Bakery"), ("3", "Lift A", "Book Nook"), ("4", "Lift B", "Juice Bar"),
            ("5", "Lift D", "Soup Kitchen"), ("7", "Lift E", "Blue Kettle"), ("9", "Lift C", "Pretzel Stand"))
    table(image, 222, 82, ((140, "lm"), (360, "lm"), (620, "lm")), rows, ("Platform", "Lift", "Kiosk"), SANS, 33)
    save(image, "platforms.jpg")


# ---------------------------------------------------------------- an office: memo -> staff -> keys

def memo():
    """A memo at the reception: for whom the parcel is, who is on call."""
    image = sheet((820, 520), 27)
    heading(image, "RECEPTION MEMO", 116, 40)
    lines(image, 104, 226, 76, ("Parcel arrived for: Ms. Okafor", "On call tonight: Mr. Lindqvist", "Visitor at 3 pm: Dr. Santos",
                                "Please lock the side door at 8."), SANS, 34)
    save(image, "memo.jpg")


def staff():
    """The staff list: each person's room."""
    image = sheet((860, 860), 28, tint=(246, 247, 250))
    heading(image, "STAFF LIST", 116, 44)
    rows = (("Mr. Abara", "104"), ("Ms. Brandt", "212"), ("Ms. Keller", "118"), ("Mr. Lindqvist", "305"), ("Ms. Okafor", "221"),
            ("Mr. Oakley", "122"), ("Dr. Santos", "309"))
    table(image, 220, 82, ((120, "lm"), (740, "rm")), rows, ("Name", "Room"), SANS, 34)
    save(image, "staff.jpg")


def keys():
    """The key list of the building: the room, and the hook its key hangs on."""
    image = sheet((760, 860), 29, desk=(92, 96, 104))
    heading(image, "KEY LIST", 116, 44)
    rows = (("104", "K5"), ("118", "K2"), ("122", "K11"), ("212", "K9"), ("221", "K14"), ("305", "K7"), ("309", "K12"))
    table(image, 220, 82, ((140, "lm"), (660, "rm")), rows, ("Room", "Hook"), MONO, 34)
    save(image, "keys.jpg")


# ---------------------------------------------------------------- a library: slip -> catalogue -> floors

def slip():
    """A reader's slip: the book that is reserved and the one that is overdue."""
    image = sheet((820, 440), 30, tint=(238, 232, 246))
    heading(image, "CITY LIBRARY", 112, 40, SERIF)
    lines(image, 104, 216, 72, ("Reader: J. Moreau", "Reserved: The Glass Harbour", "Overdue: Winter Orchard"), SANS, 34)
    save(image, "slip.jpg")


def catalogue():
    """The catalogue: each title's shelf."""
    image = sheet((920, 860), 31)
    heading(image, "CATALOGUE", 116, 44, SERIF)
    rows = (("A Map of Rivers", "D2"), ("Glass and Light", "F6"), ("Night Trains", "B4"), ("The Glass Harbour", "H3"),
            ("The Quiet Harbour", "C1"), ("Winter Orchard", "L5"), ("Winter Tales", "M8"))
    table(image, 220, 82, ((120, "lm"), (850, "rm")), rows, ("Title", "Shelf"), SANS, 34)
    save(image, "catalogue.jpg")


def floors():
    """Where the shelves stand: shelf, floor, room."""
    image = sheet((900, 860), 32, tint=(246, 247, 250))
    heading(image, "WHERE TO FIND THE SHELVES", 116, 38)
    rows = (("B4", "Ground floor", "Atrium"), ("C1", "First floor", "Annex"), ("D2", "Basement", "Stacks"), ("F6", "First floor", "Gallery"),
            ("H3", "Third floor", "Tower"), ("L5", "Second floor", "Garden Room"), ("M8", "Fourth floor", "Attic"))
    table(image, 220, 82, ((120, "lm"), (290, "lm"), (620, "lm")), rows, ("Shelf", "Floor", "Room"), SANS, 32)
    save(image, "floors.jpg")


# ---------------------------------------------------------------- a wedding: guests -> tables -> menus

def guests():
    """The seat plan: each guest's table."""
    image = sheet((860, 860), 33, tint=(250, 240, 240))
    heading(image, "SEAT PLAN", 116, 44, SERIF)
    rows = (("Hannah Brook", "Rose"), ("Hanna Becker", "Lilac"), ("Omar Haddad", "Fern"), ("Pia Sorensen", "Tulip"),
            ("Tom Ashby", "Rose"), ("Viktor Lang", "Iris"), ("Yuki Tanaka", "Daisy"))
    table(image, 220, 82, ((120, "lm"), (740, "rm")), rows, ("Guest", "Table"), SERIF, 35)
    save(image, "guests.jpg")


def tables():
    """Which menu is served at which table."""
    image = sheet((760, 760), 34, tint=(250, 240, 240))
    heading(image, "TABLES", 116, 44, SERIF)
    rows = (("Daisy", "Menu C"), ("Fern", "Menu E"), ("Iris", "Menu A"), ("Lilac", "Menu F"), ("Rose", "Menu B"), ("Tulip", "Menu D"))
    table(image, 220, 82, ((120, "lm"), (640, "rm")), rows, ("Table", "Served"), SERIF, 35)
    save(image, "tables.jpg")


def courses():
    """What the menus consist of."""
    image = sheet((1060, 760), 35, tint=(250, 240, 240))
    heading(image, "COURSES", 116, 44, SERIF)
    rows = (("Menu A", "Baked cod", "Lemon tart"), ("Menu B", "Beef pie", "Honey parfait"), ("Menu C", "Pumpkin curry", "Rice pudding"),
            ("Menu D", "Duck breast", "Cheese plate"), ("Menu E", "Lentil roast", "Fig mousse"), ("Menu F", "Salmon", "Cherry sorbet"))
    table(image, 220, 82, ((110, "lm"), (370, "lm"), (730, "lm")), rows, ("Menu", "Main course", "Dessert"), SERIF, 33)
    save(image, "courses.jpg")


SHEETS = (note, menu, prices, ticket, departures, platforms, memo, staff, keys, slip, catalogue, floors, guests, tables, courses)


# ---------------------------------------------------------------- a sequence: one leaf of a calendar a day

DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY")


def leaf(n, day):
    """A leaf of a tear-off calendar with nothing but its day on it."""
    image = sheet((420, 300), 60)
    ImageDraw.Draw(image).rectangle((MARGIN, MARGIN, image.width - MARGIN, MARGIN + 56), fill=(176, 40, 36))
    text(image, (image.width // 2, MARGIN + 176), day, BOLD, 52, INK)
    save(image, f"leaf-{n}.jpg")


def sheets():
    for draw in SHEETS:
        draw()
    for n, day in enumerate(DAYS, 1):
        leaf(n, day)


if __name__ == "__main__":
    sheets()

/// What a page looks like, and the values that keys have on it.
type Layout = (&'static str, &'static [(&'static str, &'static str)]);

const LAYOUTS: &[Layout] = &[
    (
        "GOLDEN PALACE RESTAURANT SDN BHD
         (123456-X)
         12, JALAN BUNGA RAYA 3,
         TAMAN BUNGA, 43000 KAJANG,
         SELANGOR.
         TEL: 03-8733 1234  FAX: 03-8733 1235
         GST NO : 000123456789
         TAX INVOICE
         INVOICE NO: GP-10023  |    DATE: 05/06/2018
         CASHIER: AMY          |    TIME: 19:45:02
         Fried Rice   |  2  |  8.50 |  17.00
         Iced Tea     |  3  |  2.00 |   6.00
         TOTAL (EXCLUDING GST):     |  23.00
         GST PAYABLE (6%):          |   1.38
         TOTAL (INCLUSIVE OF GST):  |  24.38
         ROUNDING ADJ:              |   0.02
         TOTAL:                     |  24.40
         CASH                       |  50.00
         CHANGE                     |  25.60
         GST SUMMARY | AMOUNT(RM) | TAX(RM)
         SR (@6%)    |   23.00    |  1.38
         TOTAL       |   23.00    |  1.38",
        &[
            ("total", "24.40"), ("total amount", "24.40"), ("subtotal", "23.00"), ("tax", "1.38"), ("cash", "50.00"),
            ("change", "25.60"), ("rounding", "0.02"), ("date", "05/06/2018"), ("time", "19:45:02"), ("phone", "03-8733 1234"),
            ("fax", "03-8733 1235"), ("invoice number", "GP-10023"), ("cashier", "AMY"), ("gst number", "000123456789"),
            ("company name", "GOLDEN PALACE RESTAURANT SDN BHD"), ("iced tea", "6.00"), ("price of the fried rice", "17.00"),
            ("address", "12, JALAN BUNGA RAYA 3, TAMAN BUNGA, 43000 KAJANG, SELANGOR."), ("waffles", ""), ("email", ""),
        ],
    ),
    // The total stands below its label, in the next row, by itself.
    (
        "Bakery Lane Cafe\nDate 12 Jan 2019 14:02\nScone | 4.50\nSubTotal\n4.50\nGrand Total\nRM 4.75\nThank you",
        &[("total", "RM 4.75"), ("subtotal", "4.50"), ("date", "12 Jan 2019"), ("time", "14:02"), ("company", "Bakery Lane Cafe")],
    ),
    // Glued words, as readers drop spaces.
    (
        "99 MINIMART S/B\nINVOICENO:1234/101/T0012\n10:12AM | 560272 | 11-05-16\nMILK | RM6.80 s\nTotalSales(InclusiveGST)RM | 6.82\nRoundingAdjustmentRM | -.02\nRoundedTotalRM | 6.80\nCASHRM | 10.00\nCHANGERM | 3.20\nGSTSummary | Amount(RM) | Tax(RM)\nS=6% | 6.43 | 0.39",
        &[("total", "6.80"), ("date", "11-05-16"), ("time", "10:12AM"), ("cash", "10.00"), ("change", "3.20"), ("invoice no", "1234/101/T0012"), ("milk", "RM6.80")],
    ),
    // Rounding, and the label of the rounded total lost.
    (
        "SHOP\nTotal Sales (Inclusive GST) RM | 177.22\nRounding Adjustment RM | -.02\nRM | 177.20\nCREDIT RM | 177.20\nCHANGE RM | .00",
        &[("total", "177.20"), ("change", ".00")],
    ),
    // One line holds it all.
    (
        "Receipt 0042\nDATE:01/02/2018TIME:10:30\nTOTAL RM31.00 CASH RM50.00 CHANGE RM19.00",
        &[("total", "RM31.00"), ("cash", "RM50.00"), ("change", "RM19.00"), ("date", "01/02/2018"), ("time", "10:30"), ("receipt number", "0042")],
    ),
    // Misread letters and digits.
    (
        "KEDAI RUNCIT AH SENG\nDATE: O5/11/2O17 8:13:39 PM\nSUB-TOIAL | 9 .00\nT0TAL | 9. 5O\nCASH | 1O.00\nCHANGE | 0.50",
        &[("total", "9.50"), ("subtotal", "9.00"), ("date", "05/11/2017"), ("cash", "10.00"), ("company", "KEDAI RUNCIT AH SENG")],
    ),
    // No legible total: what was paid less the change, where it is printed.
    (
        "YONG ENTERPRISE\nSUB-TOTAL 92.50\nGST | 1.50\nL | 94.00\nCASH | 100.00\nCHANGE | 6.00",
        &[("total", "94.00"), ("tax", "1.50")],
    ),
    // No total at all: no guess.
    ("NOTICE\nThe total number of guests is limited\nOpen 9.00 to 17.00", &[("total", ""), ("date", ""), ("cash", ""), ("phone", "")]),
    // Quantities, savings and taxes are no totals.
    (
        "MART\nTotal Qty | 12\nTotal Items: 5\nTOTAL SAVINGS | 3.00\nTotal Discount | 3.00\nTotal GST | 0.90\nTotal | 45.10\nTotal Points | 45",
        &[("total", "45.10"), ("discount", "3.00"), ("tax", "0.90"), ("quantity", "12")],
    ),
    // Total rounded, then the tax it includes.
    (
        "Burger House\nINV# 001881904569068\nORD #15 -REG #19- 02/03/2018 12:59:16\nTakeOut Total (incl GST) | 28.52\nTotal Rounded | 28.50\nCash Tendered | 50.00\nChange | 21.50\nTOTAL INCLUDES 6% GST | 1.61",
        &[("total", "28.50"), ("date", "02/03/2018"), ("cash", "50.00"), ("change", "21.50"), ("tax", "1.61"), ("order number", "15"), ("invoice number", "001881904569068")],
    ),
    // Payment by card.
    (
        "BOOKS & MORE LTD\nSunday, 11 February, 2018\nNett Total | $18.90\nVISA | $18.90\nAPPROVAL CODE 123456",
        &[("total", "$18.90"), ("date", "11 February, 2018"), ("cash", "$18.90"), ("company", "BOOKS & MORE LTD")],
    ),
    // Amount due, American date and time.
    (
        "Corner Hardware\n12/25/2018 8:13:39 PM\nSubtotal | 100.00\nSales Tax 8% | 8.00\nAmount Due | $108.00",
        &[("total", "$108.00"), ("date", "12/25/2018"), ("time", "8:13:39 PM"), ("subtotal", "100.00"), ("tax", "8.00")],
    ),
    // An invoice with two dates.
    (
        "Invoice #: INV-2019-004\nInvoice Date: 2019-03-04\nDue Date: 2019-04-03\nTotal Due | 1,234.50\nPlease pay by 2019-04-03",
        &[("total", "1,234.50"), ("date", "2019-03-04"), ("due date", "2019-04-03"), ("invoice number", "INV-2019-004")],
    ),
    // The due date comes first.
    ("Due date 03/04/2019\nDate 04/03/2019\nBalance Due RM 55.00", &[("date", "04/03/2019"), ("due date", "03/04/2019"), ("total", "RM 55.00")]),
    // Malay labels.
    ("KEDAI MAKAN\nTarikh: 03/05/2018\nMasa: 13:54\nJumlah | RM 12.00\nTunai | RM 20.00\nBaki | RM 8.00", &[("total", "RM 12.00"), ("date", "03/05/2018"), ("time", "13:54"), ("cash", "RM 20.00"), ("change", "RM 8.00")]),
    // Name and amount of an item in two rows.
    ("PLASTIC BAGS | *S\n99999 | 1 X 0.20 | 0.20\nDOUBLE TAPE | *S\n88888 | 2 X 3.00 | 6.00\nTotal Incl. GST@6% | RM 6.20", &[("plastic bags", "0.20"), ("double tape", "6.00"), ("total", "RM 6.20")]),
    // Label and value in columns of a header.
    ("Doc No  | Table | Pax\nCS00012 | 15    | 2\nDate      | Time\n3-Mar-18  | 21:07", &[("date", "3-Mar-18"), ("time", "21:07"), ("table", "15"), ("document number", "CS00012")]),
    // Colons in the next cell.
    ("Invoice No | : A-20931\nDate | : 02 Nov 2023\nTable | :7\nServer | : Ben\nTotal (RM) | : 40.59", &[("invoice number", "A-20931"), ("date", "02 Nov 2023"), ("table", "7"), ("cashier", "Ben"), ("total", "40.59")]),
    // Thousands and three decimals.
    ("WEIGHT 0.250 KG\nTotal Amount | RM 12,345.60\nTotal Kg | 0.250", &[("total", "RM 12,345.60")]),
    // European amounts.
    ("Gasthaus Krone GmbH\n14.03.2019 12:44\nZwischensumme | 20,00\nGesamt EUR | 23,80\nBar | 30,00\nRückgeld | 6,20", &[("total", "23,80"), ("date", "14.03.2019"), ("change", "6,20"), ("subtotal", "20,00"), ("company", "Gasthaus Krone GmbH")]),
    // A poster.
    ("SUMMER CONCERT\nSaturday 21st of July 2024, 7.30 pm\nTickets: adults $25, students $16\nCall 555-0199\nwww.summer-concert.org\ntickets@summer-concert.org", &[("date", "21st of July 2024"), ("time", "7.30 pm"), ("phone", "555-0199"), ("website", "www.summer-concert.org"), ("email", "tickets@summer-concert.org")]),
    // A telephone number without a label, beside a tax number that is none.
    ("ABC HO TRADING\n81100 JOHOR BAHRU\n07-355 2616\nGST ID 001147981824\nTotal | 31.00", &[("phone", "07-355 2616"), ("tax number", "001147981824")]),
    // Codes are no telephone numbers.
    ("SHOP\n23-03-18 18:09 SH01 ZJ86 | T1 R000111754\nINV-2019-004\nFAX03-87686092", &[("phone", ""), ("fax", "03-87686092"), ("date", "23-03-18")]),
    // Dates glued to times, with two digits.
    ("SHOP\n25/12/1818:09 T1 R000111754\nTotal Payable | 3.21", &[("date", "25/12/18"), ("total", "3.21")]),
    // The total comes before the tax table with a total of its own, and the labels are in capitals.
    ("STORE\nTOTAL SALES INCLUSIVE GST @ 6% | 63.60\nTENDERED | 100.00\nCHANGE | 36.40\nTAX CODE | % | AMT (RM) | TAX (RM)\nSR | 6 | 60.00 | 3.60\nTOTAL : | 60.00 | 3.60", &[("total", "63.60")]),
    // Excluding comes last.
    ("CAFE\nSubTotal | 81.80\nTotal | 81.80\nTOTAL:MYR | 81.80\nTotal Excluded Tax | 77.18\nCash | 85.00\nCash Change | 3.20", &[("total", "81.80"), ("change", "3.20"), ("subtotal", "81.80")]),
    // A label in two cells.
    ("CLINIC\nConsultation | 40.00\nTotal | (Incl. GST) | RM | 42.40\nPaid | 42.40", &[("total", "42.40"), ("consultation", "40.00")]),
    // Service charge and tip.
    ("BISTRO\nSubtotal 50.00\nService Charge 10% 5.00\nGST 6% 3.30\nTotal 58.30\nTip suggestion 10% 5.83", &[("service charge", "5.00"), ("total", "58.30"), ("subtotal", "50.00"), ("tax", "3.30")]),
    // Any words have a value.
    ("Platform | 4\nDestination: Oxford\nFragile\nSeat\n17C\nOpening hours 9.00 to 17.00", &[("platform", "4"), ("destination", "Oxford"), ("seat", "17C"), ("weight", "")]),
    // Receipts as supermarkets, petrol stations and eating houses print them.
    (
        "TRENDYMART SDN. BHD.\nCo.Reg No: 875622-K\nPS 20, 22 Jalan Utama,\n56000 Kuala Lumpur\nGST ID : 001234567890\nBill No : 00123  |  Date: 28/02/2018 15:28\nNo. of Items : 2\nTotal (RM) : | 7.20\nGST 6% : | 0.41\nTotal Amount Due : | 7.20\nCash : | 10.00\nChange Due : | 2.80",
        &[("total", "7.20"), ("date", "28/02/2018"), ("time", "15:28"), ("change", "2.80"), ("company", "TRENDYMART SDN. BHD."), ("tax", "0.41"), ("address", "PS 20, 22 Jalan Utama, 56000 Kuala Lumpur")],
    ),
    (
        "PETRON BKT LANJAN SB\nKM 458.4 BKT LANJAN UTARA\nTel: 03-61565260\nPre Auth Code: 123\n09/02/2018 | 1:35 AM\nRELIEF GST C | 4.40\nTotal | RM 4.90\nAMEX | 4.90\nTotal Gst: | 0.28",
        &[("total", "RM 4.90"), ("date", "09/02/2018"), ("time", "1:35 AM"), ("tax", "0.28"), ("phone", "03-61565260"), ("company", "PETRON BKT LANJAN SB")],
    ),
    (
        "RESTORAN WAN SHENG\n002043319-W\nNO.2, JALAN TEMENGGUNG 19/9,\nSEKSYEN 9, BANDAR MAHKOTA CHERAS,\n43200 CHERAS, SELANGOR\nGST REG NO: 001335787520\nINV NO: 1023711 | DATE : 02-03-2018 13:52:57\nTEH (B) | 2.20 x 2 | 4.40 SR\nTOTAL QTY: 3\nTOTAL (EXCLUDING GST): | 6.22\nGST PAYABLE (0%): | 0.37\nTOTAL (INCLUSIVE OF GST): | 6.59\nRounding: | 0.01\nTOTAL: | 6.60\nCLOSED: 3102 SERVER: ADMIN\nCASH : | 6.60",
        &[("total", "6.60"), ("date", "02-03-2018"), ("subtotal", "6.22"), ("company", "RESTORAN WAN SHENG"), ("invoice number", "1023711"), ("address", "NO.2, JALAN TEMENGGUNG 19/9, SEKSYEN 9, BANDAR MAHKOTA CHERAS, 43200 CHERAS, SELANGOR")],
    ),
    (
        "GUARDIAN HEALTH AND BEAUTY SDN BHD\n1 x VITAMIN | 25.90\nRounding | -0.02\nTotal Discount | -5.00\nTOTAL | RM20.88\nVISA | 20.88\nMEMBER SAVED TOTAL | 5.00\n31/03/18 20:55",
        &[("total", "RM20.88"), ("date", "31/03/18"), ("time", "20:55")],
    ),
    (
        "POPULAR BOOK CO. (M) SDN BHD\n31/12/17 21:09 | Slip No.: 8020204707\nDescription | Amount\nCANON CALC | 25.90 T\nTotal RM Incl. of GST | 38.90\nRounding Adj | 0.00\nTotal RM | 38.90\nCash | -50.00\nCHANGE | 11.10\nItem Count | 2",
        &[("total", "38.90"), ("date", "31/12/17"), ("change", "11.10"), ("quantity", "2")],
    ),
    (
        "LIGHTROOM GALLERY SDN BHD\nBILL TO : | DATE : 20-NOV-2017\nDELIVERY DATE 25-NOV-2017\nSUBTOTAL | 3,100.00\nGST 6% | 186.00\nTOTAL AMOUNT PAYABLE (RM) | 3,286.00\nDEPOSIT | 1,000.00\nBALANCE | 2,286.00",
        &[("total", "3,286.00"), ("date", "20-NOV-2017"), ("subtotal", "3,100.00"), ("tax", "186.00")],
    ),
    (
        "MYDIN HYPERMARKET\nTotal 5 | 25.55\nRounding Adjustment | 0.00\nNet Total : | 25.55\nCASH | 50.00\nCHANGE | 24.45\n20180304 12:01",
        &[("total", "25.55"), ("date", "20180304"), ("cash", "50.00")],
    ),
    (
        "GL HANDICRAFT & TAILORING\nCASH SALES COUNTER\nDOC NO. : CS-SA-0094 | DATE: 18/12/2017\nDISCOUNT: | 0.00\nTOTAL: | 160.00\nROUND ADJ: | 0.00\nTAX: 6% | 9.06\nTOTAL AMOUNT: | 160.00",
        &[("total", "160.00"), ("date", "18/12/2017"), ("document number", "CS-SA-0094"), ("company", "GL HANDICRAFT & TAILORING")],
    ),
    (
        "LEMON TREE RESTAURANT\nJTJ FOODS SDN BHD\n(1179227A)\nOrder# 12 | Fri 06 Apr 2018 12:44 PM\nSubtotal | 28.50\nSrvChg 10% | 2.85\nGrand Total | RM31.35\nGST Included\nCash | RM35.00\nChange | RM3.65",
        &[("total", "RM31.35"), ("date", "06 Apr 2018"), ("time", "12:44 PM"), ("subtotal", "28.50"), ("order number", "12")],
    ),
];

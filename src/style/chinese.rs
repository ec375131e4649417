//! Chinese characters: which are simplified, and which traditional.
//!
//! The tables hold the frequent characters that stand in one of the scripts only. They decide nothing about words
//! that the scripts spell otherwise.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Simplified characters that traditional Chinese does not use, each with one traditional form.
#[rustfmt::skip]
const SIMPLIFIED: &str = "\
    个们这来时会为说国对过还没样现动进开问间关实长学经头两从见东门业产条员电话车马鸟鱼边给让无应该认识语\
    请谁记许论设访证评词译试诗详误读课调谈谢讲议讯训计订红绿蓝黄银铁钱钢铜针钉钓铃错键锁镜锅链销线组织细\
    终结绕绘统维绳绵续缘编缩罗约级纪纯纸纹练继绩绝绍绒纱纳书画写师图场块墙声处备够夹夺奖妇妈娱孙宝审宽宾\
    寻导寿将尔尘尝层属岁岛峡带帮广庆库庙废张弯弹强归录态总恋恶悬惯忆忧户执扩扫扬抢护报担拥拦择挡挤挥损换\
    揽搅摆摇撑摄数断旧显晓暂术权杂杨枪树桥检楼标栏栅档椭橱欢欧汉汤沟泪泽浅测济浓润涨温湾湿满滚滩灯灵灭炉\
    点烂烟烧热爱爷状独狮猫猪猎玛环疗疯皱盐监盖盘码砖础礼积称稳穷竞笔笼简篮类粮紧罚罢职联聪肃肠肤脑脚脱脸\
    舰艺节药莲萝营虑虚虽虾蚂蛮补衬袜装裤规视览觉贝负财责败货质购贴贵费贺资赏赛赢赵跃践踪轨转轮软轻载较辆\
    辈辉输辞达迁运远违连迟选递遥邮邻郑释闪闭闲闷闹闻阅阔队阳阴阵阶际陆陈险随隐难雾静韩页顶项顺顾预领频颗\
    题颜额风飘飞饭饮饰饱饼馆驶驾骑验骆驼驴骤骗鲜鲸鸡鸭鸽鹅鹰麦齐齿龄龙龟专丝丢严临丽举义乌乐习乡买乱争亏\
    亚亲亿仅仓仪众伞伟传伤伦侧侦债倾偿储兰兴养兽内军农冲决况冻净凉减凤击刘则刚创删别剂剑剧劝办务励劳势区\
    医华协单卖卢卫压厅厕厨县参双变叠叶号叹吓吗启吴响哑唤园围圆坚垫壮壳壶妆姗娇婴孪宠宫尽届币帅帐弃径彻恼\
    悦惨惩惧愤懒戏战拟拨挣捞捡掷敌斋昼杀枫栋桨桩梦横残毁毕汇沪泼浆浇涛渐渔溅滤滨潜灾炼烛烦烫焕牵犹狭狱琐\
    疮瘫盏盗睁瞒矿祸秃窃窝竖笋纲纵纷纺绑络绣综绸绷缎缓缝缠耸耻胀胶脉腾舱艳芦苍荡荣莱获萤蒋葱蔷蝇蝉誉讨讶\
    讽诉诊询诚诞诱诸诺谅谊谋谎谜谣谦谱贡贤贪贫贸赁赔赖赚赞赠趋轿辅辑辩辽迈迹逊遗酱酿钥钩钮钻铅铝铺锋锐锡\
    锤锦锻镇闯阁阀陕雏韵顿颈颊飓饥饲饺饿馅驱驻骂骄鲁鲍鲤鲨鳄鸣鸦鸥鹤鹦鹉脐叽贯种机网坏怀惊据极构气洁确离\
    胜适赶与价优体儿听圣异触万筑";
/// Their traditional forms, in the same order.
#[rustfmt::skip]
const TRADITIONAL: &str = "\
    個們這來時會為說國對過還沒樣現動進開問間關實長學經頭兩從見東門業產條員電話車馬鳥魚邊給讓無應該認識語\
    請誰記許論設訪證評詞譯試詩詳誤讀課調談謝講議訊訓計訂紅綠藍黃銀鐵錢鋼銅針釘釣鈴錯鍵鎖鏡鍋鏈銷線組織細\
    終結繞繪統維繩綿續緣編縮羅約級紀純紙紋練繼績絕紹絨紗納書畫寫師圖場塊牆聲處備夠夾奪獎婦媽娛孫寶審寬賓\
    尋導壽將爾塵嘗層屬歲島峽帶幫廣慶庫廟廢張彎彈強歸錄態總戀惡懸慣憶憂戶執擴掃揚搶護報擔擁攔擇擋擠揮損換\
    攬攪擺搖撐攝數斷舊顯曉暫術權雜楊槍樹橋檢樓標欄柵檔橢櫥歡歐漢湯溝淚澤淺測濟濃潤漲溫灣濕滿滾灘燈靈滅爐\
    點爛煙燒熱愛爺狀獨獅貓豬獵瑪環療瘋皺鹽監蓋盤碼磚礎禮積稱穩窮競筆籠簡籃類糧緊罰罷職聯聰肅腸膚腦腳脫臉\
    艦藝節藥蓮蘿營慮虛雖蝦螞蠻補襯襪裝褲規視覽覺貝負財責敗貨質購貼貴費賀資賞賽贏趙躍踐蹤軌轉輪軟輕載較輛\
    輩輝輸辭達遷運遠違連遲選遞遙郵鄰鄭釋閃閉閒悶鬧聞閱闊隊陽陰陣階際陸陳險隨隱難霧靜韓頁頂項順顧預領頻顆\
    題顏額風飄飛飯飲飾飽餅館駛駕騎驗駱駝驢驟騙鮮鯨雞鴨鴿鵝鷹麥齊齒齡龍龜專絲丟嚴臨麗舉義烏樂習鄉買亂爭虧\
    亞親億僅倉儀眾傘偉傳傷倫側偵債傾償儲蘭興養獸內軍農沖決況凍淨涼減鳳擊劉則剛創刪別劑劍劇勸辦務勵勞勢區\
    醫華協單賣盧衛壓廳廁廚縣參雙變疊葉號嘆嚇嗎啟吳響啞喚園圍圓堅墊壯殼壺妝姍嬌嬰孿寵宮盡屆幣帥帳棄徑徹惱\
    悅慘懲懼憤懶戲戰擬撥掙撈撿擲敵齋晝殺楓棟槳樁夢橫殘毀畢匯滬潑漿澆濤漸漁濺濾濱潛災煉燭煩燙煥牽猶狹獄瑣\
    瘡癱盞盜睜瞞礦禍禿竊窩豎筍綱縱紛紡綁絡繡綜綢繃緞緩縫纏聳恥脹膠脈騰艙艷蘆蒼蕩榮萊獲螢蔣蔥薔蠅蟬譽討訝\
    諷訴診詢誠誕誘諸諾諒誼謀謊謎謠謙譜貢賢貪貧貿賃賠賴賺讚贈趨轎輔輯辯遼邁跡遜遺醬釀鑰鉤鈕鑽鉛鋁鋪鋒銳錫\
    錘錦鍛鎮闖閣閥陝雛韻頓頸頰颶飢飼餃餓餡驅駐罵驕魯鮑鯉鯊鱷鳴鴉鷗鶴鸚鵡臍嘰貫種機網壞懷驚據極構氣潔確離\
    勝適趕與價優體兒聽聖異觸萬築";
/// Simplified characters that traditional Chinese does not use, whose traditional form depends on the word.
const AMBIGUOUS: &str = "发历复签须钟纤";

/// Words with such characters, or with characters that traditional Chinese uses for something else: 里 is a mile.
const WORDS: &[(&str, &str)] = &[
    ("里面", "裡面"),
    ("里有", "裡有"),
    ("里的", "裡的"),
    ("这里", "這裡"),
    ("那里", "那裡"),
    ("哪里", "哪裡"),
    ("后面", "後面"),
    ("后方", "後方"),
    ("背后", "背後"),
    ("头发", "頭髮"),
    ("金发", "金髮"),
    ("长发", "長髮"),
    ("短发", "短髮"),
    ("黑发", "黑髮"),
    ("白发", "白髮"),
    ("发型", "髮型"),
    ("发现", "發現"),
    ("发生", "發生"),
    ("时钟", "時鐘"),
    ("分钟", "分鐘"),
    ("几个", "幾個"),
    ("几只", "幾隻"),
    ("一只", "一隻"),
    ("两只", "兩隻"),
    ("三只", "三隻"),
];

/// The tables, made for look-ups.
struct Tables {
    to_traditional: HashMap<char, char>,
    to_simplified: HashMap<char, char>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let pairs = || SIMPLIFIED.chars().zip(TRADITIONAL.chars());
    Tables { to_traditional: pairs().collect(), to_simplified: pairs().map(|(s, t)| (t, s)).collect() }
});

/// A text with its simplified characters in their traditional form, where it is without doubt.
pub(super) fn to_traditional(text: &str) -> String {
    let words = WORDS.iter().fold(text.to_owned(), |text, (simplified, form)| text.replace(simplified, form));
    words.chars().map(|c| TABLES.to_traditional.get(&c).copied().unwrap_or(c)).collect()
}

/// A text with its traditional characters in their simplified form.
pub(super) fn to_simplified(text: &str) -> String {
    text.chars().map(|c| TABLES.to_simplified.get(&c).copied().unwrap_or(c)).collect()
}

/// Whether only simplified Chinese has this character.
pub(super) fn is_simplified(c: char) -> bool {
    AMBIGUOUS.contains(c) || TABLES.to_traditional.contains_key(&c)
}

/// Whether only traditional Chinese has this character.
pub(super) fn is_traditional(c: char) -> bool {
    TABLES.to_simplified.contains_key(&c)
}

/// How many characters of a text only simplified Chinese has.
pub(super) fn simplified_in(text: &str) -> usize {
    text.chars().filter(|c| is_simplified(*c)).count()
}

/// How many characters of a text only traditional Chinese has.
pub(super) fn traditional_in(text: &str) -> usize {
    text.chars().filter(|c| is_traditional(*c)).count()
}

"""What the register says of the Interim Measures, article by article."""

from hegui.law import register

NO_DUTY = {"IM-1", "IM-3", "IM-5", "IM-6", "IM-18", "IM-19.2", "IM-21", "IM-22", "IM-24"}
ROWS = [
    "IM-1",
    "IM-2.1",
    "IM-2.2",
    "IM-2.3",
    "IM-3",
    "IM-4.0",
    "IM-4.1",
    "IM-4.2",
    "IM-4.3",
    "IM-4.4",
    "IM-4.5",
    "IM-5",
    "IM-6",
    "IM-7.1",
    "IM-7.2",
    "IM-7.3",
    "IM-7.4",
    "IM-7.5",
    "IM-8.1",
    "IM-8.2",
    "IM-8.3",
    "IM-9.1",
    "IM-9.2",
    "IM-9.3",
    "IM-10.1",
    "IM-10.2",
    "IM-10.3",
    "IM-11.1",
    "IM-11.2",
    "IM-12",
    "IM-13",
    "IM-14.1",
    "IM-14.2",
    "IM-15",
    "IM-16",
    "IM-17",
    "IM-18",
    "IM-19.1",
    "IM-19.2",
    "IM-20",
    "IM-21",
    "IM-22",
    "IM-23",
    "IM-24",
]


def provisions():
    return [row for row in register().provisions if row.instrument == "IM"]


def duties():
    return [duty for duty in register() if duty.id.startswith("IM-")]


def test_every_row_of_the_24_articles_is_there_once_and_in_order():
    assert [row.id for row in provisions()] == ROWS
    assert {row.path.article for row in provisions()} == set(range(1, 25))


def test_duties_stand_exactly_where_the_text_has_them():
    assert [duty.id for duty in duties()] == [row for row in ROWS if row not in NO_DUTY]
    assert len(duties()) == 35


def test_the_place_of_a_row_is_an_akoma_ntoso_id():
    assert register().provision("IM-14.2").path.eid == "art_14__para_2"
    assert register().provision("IM-4.2").path.eid == "art_4__point_2"


def test_a_duty_for_people_only_names_the_signed_evidence():
    only_people = [duty for duty in duties() if duty.automation == "H"]
    assert {duty.id for duty in only_people} == {"IM-8.3", "IM-16", "IM-23"}
    without_control = {duty.id for duty in duties() if not duty.controls}
    assert without_control == {"IM-7.5", "IM-9.1", "IM-16", "IM-23"}


def test_none_marks_only_what_has_to_be_settled():
    settle = {duty.id for duty in duties() if duty.modality == "none"}
    assert settle == {"IM-2.1", "IM-2.3", "IM-16", "IM-20"}
    forbidden = {duty.id for duty in duties() if duty.modality == "must_not"}
    assert forbidden == {"IM-4.1", "IM-4.4", "IM-7.2"}


def test_promptly_is_no_number_of_the_law():
    promptly = register().obligation("IM-11.2").clocks[0]
    assert (promptly.amount, promptly.unit, promptly.calendar) == (15, "day", "prc_working")
    assert (promptly.figure, promptly.basis, promptly.verified) == ("ceiling", "AP-1", "X")
    kept = register().obligation("IM-14.2").clocks[1]
    assert (kept.amount, kept.unit, kept.figure) == (6, "month", "default")


def test_filing_clocks_tell_before_launch_from_after_start():
    clocks = {
        (clock.kind, clock.anchor, clock.amount, clock.verified)
        for clock in register().obligation("IM-17").clocks
    }
    assert ("before", "launch", None, "M") in clocks
    assert ("max_delay", "service_start", 10, "T") in clocks
    assert ("max_delay", "filed_fact_change", 10, "T") in clocks
    assert ("max_delay", "service_end", 20, "T") in clocks


def test_article_21_names_no_amount_and_csl_69_has_its_three_tiers():
    money = ("fine_min", "fine_max", "persons_min", "persons_max", "gains_max", "turnover_pct")
    own = register().sanction("P-IM21").tiers
    assert all(getattr(tier, name) is None for tier in own for name in money)
    tiers = register().sanction("P-CSL69").tiers
    assert [(tier.fine_min, tier.fine_max) for tier in tiers] == [
        (50_000, 500_000),
        (500_000, 2_000_000),
        (2_000_000, 10_000_000),
    ]
    assert [(tier.persons_min, tier.persons_max) for tier in tiers[1:]] == [
        (50_000, 200_000),
        (200_000, 1_000_000),
    ]


def test_discrimination_keeps_all_eight_grounds_age_included():
    duty = register().obligation("IM-4.2").duty
    for zh in ("民族", "信仰", "国别", "地域", "性别", "年龄", "职业", "健康"):
        assert zh in duty.zh
    for en in ("ethnicity", "belief", "country", "region", "sex", " age,", "occupation", "health"):
        assert en in duty.en


def test_minors_are_everyone_under_18_not_children():
    duty = register().obligation("IM-10.3").duty
    assert "未成年人" in duty.zh
    assert "十八" in duty.zh
    assert "minors" in duty.en
    assert "18" in duty.en
    assert "child" not in duty.en
    assert "儿童" not in duty.zh


def test_personal_information_in_training_data_needs_consent():
    duty = register().obligation("IM-7.3").duty
    assert "同意" in duty.zh
    assert "consent" in duty.en


def test_a_user_is_who_uses_the_service_to_generate():
    gloss = register().provision("IM-22").gloss
    assert "用服务来生成内容" in gloss.zh
    assert "uses the service to generate content" in gloss.en
    assert "programmable interface" in gloss.en

import asyncio
import contextlib
import json
import re
import statistics
import time
from datetime import date
from pathlib import Path

import pytest
from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from hegui.gateway import demo_answers
from hegui.gateway.demo import MODEL, DemoModel, estimate_tokens, suggestions
from hegui.gateway.demo_answers import Script, answer, language_of, script
from hegui.gateway.demo_index import Index, terms
from hegui.gateway.upstream import Client, Reply, UpstreamError
from hegui.language import LANGUAGES, Text
from hegui.law import register
from hegui.safety import sources
from hegui.safety.lexicon import Lexicon
from hegui.safety.sources import gather
from hegui.safety.window import Window
from hostile import events_of

OFF_TOPIC = Text(zh="所以不编答案", en="I do not make up an answer")
UNSAFE = Text(zh="演示：违规输出", en="demo: unsafe output")
STOP = re.compile(r"\b(the|of)\b|的")


def body(question, **fields):
    return json.dumps(
        {"model": MODEL, "messages": [{"role": "user", "content": question}], **fields}
    )


async def post(question, pace=0.0, **fields):
    return await DemoModel(pace).post("/chat/completions", body(question, **fields).encode())


def ask(question, **fields):
    """The whole answer, checked against OpenAI's own types."""

    async def go():
        reply = await post(question, **fields)
        assert reply.status == 200
        return ChatCompletion.model_validate_json(await reply.read(), strict=True)

    return asyncio.run(go())


def stream(question, **fields):
    """The data of every event, and what broke the stream, if anything did."""

    async def go():
        reply, found = await post(question, stream=True, **fields), []
        try:
            async for data in events_of(reply):
                found.append(data)  # noqa: PERF401 (what came before a break is kept)
        except UpstreamError as error:
            return found, error
        return found, None

    return asyncio.run(go())


def chunks(events):
    return [ChatCompletionChunk.model_validate_json(data, strict=True) for data in events]


def pieces(events):
    """The texts that carry content, in their order."""
    held = chunks(data for data in events if data != b"[DONE]")
    return [text for chunk in held for c in chunk.choices if (text := c.delta.content)]


def said(question):
    return answer(question).text


@pytest.fixture(scope="module")
def lexicon():
    """The sample lexicon, on a day when none of it has expired."""
    sample = Path(sources.__file__).with_name("sample_lexicon.csv")
    return Lexicon.build(gather([sample]).entries, date(2026, 11, 23))


@pytest.fixture
def unread():
    """As after a start of the process: nothing of the demo model or the register is in memory."""
    for cached in (script, demo_answers._book, register):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("用户投诉要怎样处理？", "IM-15"),
        ("训练数据有什么要求？", "IM-7.1"),
        ("怎么给AI图片打水印", "IM-12"),
        ("青少年沉迷怎么防", "IM-10.3"),
        ("用户要求删除个人信息怎么办", "IM-11.2"),
        ("标注人员需要培训吗", "IM-8.3"),
        ("罚多少钱", "IM-21"),
        ("上线前要备案吗", "IM-17"),
        ("境外模型可以直接调用吗", "IM-7.1"),
        ("仅供内部使用的系统要不要遵守", "IM-2.3"),
        ("哪些内容不能生成", "IM-4.1"),
        ("服务协议需要包含哪些内容", "IM-9.3"),
        ("How must complaints be handled?", "IM-15"),
        ("What is asked of training data?", "IM-7.1"),
        ("Do videos need a watermark?", "IM-12"),
        ("What about children?", "IM-10.3"),
        ("Can users delete their data?", "IM-11.2"),
        ("Do annotators need training?", "IM-8.3"),
        ("What fines are there?", "IM-21"),
        ("Do I have to file my algorithm before launch?", "IM-17"),
        ("May I call a foreign model?", "IM-7.1"),
        ("Does a closed beta count as public?", "IM-2.1"),
        ("Which content is prohibited?", "IM-4.1"),
        ("What do we hand over in an inspection?", "IM-19.1"),
    ],
)
def test_a_question_finds_its_row_with_citation_and_mark(question, row):
    main = re.split("另见|See also", said(question))[0]
    zh, en = f"第[^（]+条.*（{row}；核对标记 T：", rf"Interim Measures Art\. .*\({row}; checked T:"
    assert re.search(zh if language_of(question) == "zh" else en, main)


@pytest.mark.parametrize(
    ("question", "citation"),
    [
        ("发现违法内容怎么办", "《暂行办法》第十四条第一款（IM-14.1；"),
        ("如何防止歧视", "《暂行办法》第四条第（二）项（IM-4.2；"),
        ("What must I do on finding illegal content?", "Interim Measures Art. 14(1) (IM-14.1;"),
        ("How do I prevent discrimination?", "Interim Measures Art. 4, item (2) (IM-4.2;"),
    ],
)
def test_citations_name_paragraph_and_item(question, citation):
    assert citation in said(question)


@pytest.mark.parametrize("number", range(1, 25))
@pytest.mark.parametrize("form", ["Article {}", "what does art. {} say?", "第{}条", "IM-{}"])
def test_an_article_asked_for_by_number_comes_whole(number, form):
    text = said(form.format(number))
    for row in register().article("IM", number).provisions:
        assert f"{row.id}；" in text or f"{row.id};" in text


@pytest.mark.parametrize(
    ("written", "number"),
    [("一", 1), ("十", 10), ("十二", 12), ("二十", 20), ("二十四", 24)],
)
def test_chinese_numerals_are_read(written, number):
    assert said(f"第{written}条讲什么？") == said(f"第{number}条讲什么？")


@pytest.mark.parametrize(
    "question", ["第二十五条", "第零条", "第五十条", "Article 0", "Article 99"]
)
def test_an_article_that_does_not_exist_is_not_made_up(question):
    text = said(question)
    assert "IM-" not in text
    assert any(words in text for words in ("第二十四条", "article 24", OFF_TOPIC.zh))


@pytest.mark.parametrize(
    "question",
    [
        "个人信息保护法第十二条",
        "《深度合成管理规定》的第十六条",
        "PIPL article 12",
        "What does Cybersecurity Law art. 21 say?",
        "Article 5 of the Labelling Measures",
    ],
)
def test_articles_of_other_instruments_are_not_guessed(question):
    assert "IM-" not in said(question)


@pytest.mark.parametrize(
    "question",
    [
        "What does Article 12 require under the law?",
        "Article 12 of the Interim Measures",
        "《生成式人工智能服务管理暂行办法》第十二条",
        "本办法第十二条",
    ],
)
def test_the_interim_measures_may_be_named(question):
    assert "IM-12" in said(question)


@pytest.mark.parametrize(
    "question",
    [
        *("今天天气怎么样", "推荐一部电影", "红烧肉怎么做", "请解释 zorblefax 是什么意思"),
        *("What's the weather in Paris?", "How do I cook pasta?", "What is the meaning of life?"),
        *("Explain quantum computing", "What's 17 times 23?", "What does zorblefax mean?"),
    ],
)
def test_off_topic_it_says_what_it_is_and_can_do(question):
    language = language_of(question)
    text = said(question)
    assert OFF_TOPIC.say(language) in text
    examples = re.findall("“([^”]+？)”" if language == "zh" else r'"([^"]+\?)"', text)
    assert len(examples) == 2
    assert all("IM-" in said(example) for example in examples)


@pytest.mark.parametrize("question", ["你好", "您好！", "Hi", "hello!", "", "  "])
def test_a_greeting_is_answered_with_what_it_can_do(question):
    text = said(question)
    assert script().ability.say(language_of(question)) in text
    assert OFF_TOPIC.say(language_of(question)) not in text


@pytest.mark.parametrize("question", ["演示", "有哪些演示案例？", "demo", "Show me the demo cases"])
def test_the_menu_names_every_case(question):
    text = said(question)
    assert all(case.phrase.say(language_of(question)) in text for case in script().cases)


def test_the_question_decides_the_language():
    assert language_of("第十二条 API") == "zh"
    assert language_of("什么是 generative AI？") == "zh"
    assert language_of("What does 第十二条 mean?") == "en"
    assert re.search("[\u4e00-\u9fff]", said("complaints")) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_answer_says_that_it_is_no_language_model(language):
    book = demo_answers._book(language)
    questions = [*(text.say(language) for text in script().suggestions), "你好", "Article 3"]
    questions += [case.phrase.say(language) for case in script().cases]
    questions += [entry.question.say(language) for entry in script().faq]
    for question in questions:
        first = book.answer(question).text.partition("\n")[0]
        assert {"zh": "不是语言模型", "en": "not a language model"}[language] in first


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("entry", range(len(script().faq)))
def test_every_own_answer_is_found_by_its_question(language, entry):
    known = script().faq[entry]
    assert known.answer.say(language) in said(known.question.say(language))


def test_a_last_message_of_parts_is_read_and_earlier_ones_are_not():
    messages = [
        {"role": "user", "content": "demo: error"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": [{"type": "text", "text": "Article"}, {"type": "image_url"}, {"type": "text", "text": "12"}]},
    ]  # fmt: skip
    assert "IM-12" in ask("", messages=messages).choices[0].message.content


def test_a_completion_has_the_shape_and_the_counts():
    whole = ask("How must complaints be handled?", n=3, temperature=1.5)
    (choice,) = whole.choices
    assert (whole.model, choice.finish_reason, choice.index) == (MODEL, "stop", 0)
    assert whole.usage.prompt_tokens == estimate_tokens("How must complaints be handled?")
    assert whole.usage.completion_tokens == estimate_tokens(choice.message.content)
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens


def test_the_estimate_counts_characters_quarters_of_words_and_signs():
    assert estimate_tokens("标识") == 2
    assert estimate_tokens("label") == 2
    assert estimate_tokens("IM-14.1，好") == 1 + 1 + 1 + 1 + 1 + 1 + 1
    assert estimate_tokens(" \n") == 0


@pytest.mark.parametrize("question", ["用户投诉要怎样处理？", "Article 14", "演示：长回答"])
def test_a_stream_says_what_the_whole_says(question):
    events, error = stream(question)
    assert error is None
    assert events[-1] == b"[DONE]"
    held = chunks(events[:-1])
    assert held[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in held if chunk.choices][-1] == "stop"
    assert len({chunk.id for chunk in held}) == 1
    assert "".join(pieces(events)) == ask(question).choices[0].message.content
    for piece in pieces(events):
        assert len(re.findall("[\u2e80-\u9fff\uff00-\uffef]", piece)) <= 4
        assert len(piece.split()) <= 2


def test_the_same_request_streams_the_same_and_another_does_not():
    first, again, other = (
        pieces(stream(question)[0]) for question in ("第十四条", "第十四条", "第14条")
    )
    assert first == again
    assert "".join(first) == "".join(other)
    assert first != other


def test_gaps_are_about_fifteen_milliseconds_and_vary():
    reply = asyncio.run(post("演示：长回答", pace=1, stream=True))
    gaps = [piece.gap for piece in reply._pieces if piece.gap]
    assert len(gaps) > 150
    assert 0.012 < statistics.median(gaps) < 0.018
    low, *_, high = statistics.quantiles(gaps, n=10)
    assert high > 2 * low


def test_usage_comes_in_a_stream_only_if_asked_for():
    plain, _ = stream("你好")
    assert all(chunk.usage is None for chunk in chunks(plain[:-1]))
    events, _ = stream("你好", stream_options={"include_usage": True})
    *others, last = chunks(events[:-1])
    assert (last.choices, last.usage) == ([], ask("你好").usage)
    assert all(b'"usage":null' in data for data in events[: len(others)])


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_limit_on_tokens_cuts_the_answer(name):
    whole = ask("演示：长回答", **{name: 40})
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage.completion_tokens == 40
    assert (
        ask("演示：长回答").choices[0].message.content.startswith(whole.choices[0].message.content)
    )
    events, _ = stream("演示：长回答", **{name: 40})
    assert chunks(events[:-1])[-1].choices[0].finish_reason == "length"


def test_a_limit_not_reached_changes_nothing():
    whole = ask("你好")
    enough = ask("你好", max_tokens=whole.usage.completion_tokens)
    assert enough.choices == whole.choices


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_unsafe_answer_is_stopped_in_its_middle(language, lexicon):
    events, _ = stream(UNSAFE.say(language))
    window, released = Window([lexicon]), ""
    for piece in pieces(events):
        release = window.feed(piece)
        released += release.text
        if release.hit:
            break
    whole = "".join(pieces(events))
    assert release.hit.entry.action == "withhold"
    assert 0.3 < len(released) / len(whole) < 0.8
    assert whole[len(released) :].startswith(release.hit.entry.term)


def test_nothing_else_it_says_is_in_the_sample_lexicon(lexicon):
    questions = [f"第{number}条" for number in range(1, 25)]
    for language in LANGUAGES:
        questions += [case.phrase.say(language) for case in script().cases]
        questions += [entry.question.say(language) for entry in script().faq]
    unsafe = {UNSAFE.zh, UNSAFE.en}
    assert [q for q in questions if q not in unsafe and lexicon.scan(said(q))] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_suggestions_show_an_answer_a_withheld_one_and_a_refusal(language, lexicon):
    first, second, third, _ = suggestions(language)
    assert "IM-" in said(first)
    assert lexicon.scan(second) == []
    assert [hit.entry.action for hit in lexicon.scan(said(second))] == ["withhold"]
    assert [hit.entry.action for hit in lexicon.scan(third)] == ["refuse"]
    assert {language_of(text) for text in suggestions(language)} == {language}


@pytest.mark.parametrize("phrase", ["演示：个人信息", "demo: personal information"])
def test_the_personal_information_has_the_right_form_and_is_nobodys(phrase):
    text = said(phrase)
    (card,) = re.findall(r"(?<!\d)\d{17}[\dX]", text)
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    rest = sum(int(digit) * weight for digit, weight in zip(card, weights, strict=False)) % 11
    assert card[17] == "10X98765432"[rest]  # GB 11643: the check character is right
    assert card[:6] == "110000"  # but the area code names a whole municipality,
    assert card[14:17] == "000"  # and no one is number nought of a day
    (mobile,) = re.findall(r"(?<!\d)1\d{10}(?!\d)", text)
    assert mobile[:3] == "154"  # a range that no operator has
    assert re.findall(r"@([\w.]+\w)", text) == ["example.com"]  # RFC 2606


def test_the_long_answer_is_about_six_hundred_characters():
    for phrase in ("演示：长回答", "demo: long answer"):
        assert 550 < len(said(phrase)) < 650


def test_a_case_is_called_within_a_sentence_in_either_language_and_any_spelling():
    assert said("please run Demo - Unsafe  Output now") == said(UNSAFE.en)
    assert said("请执行 演示:违规输出") == said(UNSAFE.zh)
    assert "quindrasp" in said("please show me 演示：违规输出 in English")


@pytest.mark.parametrize("fields", [{}, {"stream": True}])
def test_the_error_case_is_a_server_error(fields):
    async def go():
        reply = await post("demo: error", **fields)
        return reply.status, reply.headers["content-type"], json.loads(await reply.read())

    status, kind, told = asyncio.run(go())
    assert (status, kind) == (500, "application/json; charset=utf-8")
    assert told["error"]["type"] == "server_error"


def test_the_broken_stream_stops_half_way_without_its_closing_mark():
    events, error = stream("demo: broken stream")
    assert error.kind == "closed_early"
    assert b"[DONE]" not in events
    text, whole = "".join(pieces(events)), said("demo: broken stream")
    assert whole.startswith(text)
    assert 0.25 < len(text) / len(whole) < 0.75


def test_the_broken_case_breaks_a_whole_answer_too():
    async def go():
        await (await post("演示：中断")).read()

    with pytest.raises(UpstreamError, match="broke off"):
        asyncio.run(go())


def test_the_slow_case_starts_after_three_seconds_and_goes_on_slowly():
    reply = asyncio.run(post("demo: slow", pace=1, stream=True))
    first, *gaps = [piece.gap for piece in reply._pieces if piece.gap]
    assert 3 < first < 4
    assert 0.1 < statistics.median(gaps) < 0.22


def test_pace_stretches_the_waiting():
    async def go(pace):
        started = time.monotonic()
        await (await post("你好", pace=pace)).read()
        return time.monotonic() - started

    assert asyncio.run(go(0.2)) > 0.05  # at least fifty pieces of 3 ms
    full, fifth = (
        sum(piece.gap for piece in asyncio.run(post("你好", pace=pace, stream=True))._pieces)
        for pace in (1, 0.2)
    )
    assert full == pytest.approx(5 * fifth)


def test_it_does_not_wait_at_pace_nought():
    reply = asyncio.run(post("demo: slow", stream=True))
    assert {piece.gap for piece in reply._pieces} == {0}


@pytest.mark.parametrize("whole", [False, True])
def test_an_abort_ends_the_wait_at_once(whole):
    async def go():
        reply = await post("demo: slow", pace=100, stream=not whole)
        asyncio.get_running_loop().call_later(0.05, reply.abort)
        await reply.read()

    with pytest.raises(UpstreamError) as caught:
        asyncio.run(asyncio.wait_for(go(), 20))
    assert caught.value.kind == "closed_early"


def test_nothing_comes_after_an_abort():
    async def go():
        reply = await post("演示：长回答", stream=True)
        events = events_of(reply)
        await anext(events)
        reply.abort()
        with pytest.raises(UpstreamError):
            await anext(events)

    asyncio.run(go())


def test_leaving_a_stream_aborts_it():
    async def go():
        reply = await post("演示：长回答", stream=True)
        async with contextlib.aclosing(events_of(reply)) as events:
            await anext(events)
        with pytest.raises(UpstreamError):
            await reply.read()

    asyncio.run(go())


def test_a_stream_may_be_read_raw_and_a_whole_answer_has_no_events():
    async def go():
        raw = await (await post("你好", stream=True)).read()
        none = [data async for data in events_of(await post("你好"))]
        return raw, none

    raw, none = asyncio.run(go())
    assert raw.endswith(b"\n\ndata: [DONE]\n\n")
    assert none == []


@pytest.mark.parametrize("path", ["models", "/models", "/models/"])
def test_the_list_of_models_names_it(path):
    told = json.loads(asyncio.run(asyncio.run(DemoModel().post(path, b"")).read()))
    assert [Model.model_validate(model, strict=True).id for model in told["data"]] == [MODEL]


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("/embeddings", b"{}", 404),
        ("/chat/completions", b"", 400),
        ("/chat/completions", b"\xff\xfe", 400),
        ("/chat/completions", b'{"messages":[{"role":"user","content":"\xff"}]}', 400),
        ("/chat/completions", b"[]", 400),
        ("/chat/completions", b'{"messages":[]}', 400),
        ("/chat/completions", body("x", max_tokens=0).encode(), 400),
        ("/chat/completions", body("x", stream="yes").encode(), 400),
        ("/chat/completions", body({"text": "x"}).encode(), 400),
    ],
)
def test_what_it_cannot_answer_is_an_error_of_the_client(path, data, status):
    reply = asyncio.run(DemoModel().post(path, data))
    told = json.loads(asyncio.run(reply.read()))
    assert reply.status == status
    assert told["error"]["type"] == "invalid_request_error"


def test_it_has_what_the_client_and_its_reply_have():
    def public(kind):
        return {name for name in vars(kind) if not name.startswith("_")}

    assert public(Client) - {"reach"} == public(DemoModel)  # it is always there
    reply = asyncio.run(post("你好"))
    assert {"read", "next_events", "abort"} <= public(Reply) & public(type(reply))
    assert (reply.status, type(reply.headers)) == (200, dict)


@pytest.mark.usefixtures("unread")
def test_the_first_answer_after_a_start_is_quick():
    started = time.process_time()
    said("用户投诉要怎样处理？")
    assert time.process_time() - started < 0.6  # nothing is read or compiled for it alone


@pytest.mark.parametrize(
    "text",
    ["ban " * 250_000, "用户" * 500_000, "a" * 1_000_000, "第一" * 500_000, "\n" * 1_000_000],
)
def test_a_huge_question_costs_little(text):
    said("你好")
    started = time.process_time()
    said(text)
    assert time.process_time() - started < 2  # linear; what is not takes minutes


def test_every_text_is_in_its_own_language():
    def texts(value):
        if isinstance(value, Text):
            yield value
        elif isinstance(value, (list, tuple)):
            for each in value:
                yield from texts(each)
        elif hasattr(value, "__struct_fields__"):
            yield from texts([getattr(value, name) for name in value.__struct_fields__])
        elif isinstance(value, dict):
            yield from texts(list(value.values()))

    assert isinstance(script(), Script)
    han = re.compile("[\u4e00-\u9fff]")
    found = [text for text in texts(script()) if re.fullmatch("[^{]*[A-Za-z][^{]*", text.en)]
    assert len(found) > 50
    assert [text.en for text in found if han.search(text.en) or not han.search(text.zh)] == []


def test_terms_are_stems_and_pairs():
    assert terms("the Labels, labelled; labelling of labels", STOP) == ["label"] * 4
    assert terms("标识的规则", STOP) == ["标识", "规则"]
    assert terms("投诉举报 API", STOP) == ["投诉", "诉举", "举报", "api"]
    assert terms("谁 filing", STOP) == ["谁", "filing"]


def test_the_index_prefers_rare_terms_and_tells_how_much_it_holds():
    index = Index(["apple pear", "apple plum", "apple plum cherry quince"], STOP)
    best, *rest = index.find("apple cherry banana")
    assert (best.place, best.shared) == (2, 2)
    assert 0 < best.coverage < 0.6
    assert [match.place for match in rest] == [0, 1]
    assert index.find("pear")[0].coverage == 1
    assert index.find("banana") == index.find("") == []

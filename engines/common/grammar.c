/* grammar.c - the parts of a grammar, and its parser.
 *
 * What a repetition applies to is known only behind it, so an item is first passed over (skip_item) and then read (read_item), once for
 * each copy. Both recurse with the groups, GRAMMAR_DEPTH_MAX deep. */
#include "common/grammar.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define RULES_MAX        (1u << 16)
#define CLASS_RANGES_MAX 4096
#define CODE_MAX         0x10FFFFu
#define NO_LIMIT         (-1)

struct parser {
    struct grammar *grammar;
    const char *text;
    const char *at;
    const char *end;
    int depth;
    size_t n_work;
    struct char_range ranges[CLASS_RANGES_MAX];
    struct fault *fault;
    enum status status;
};

struct repeat {
    int least;
    int most; /* NO_LIMIT */
};

uint32_t grammar_add_state(struct grammar *grammar) {
    if (grammar->n_states >= GRAMMAR_STATES_MAX) {
        return GRAMMAR_NO_STATE;
    }
    grammar->states = mem_grow_array(grammar->states, grammar->n_states, &grammar->states_capacity,
                                     sizeof *grammar->states, GRAMMAR_STATES_MAX);
    grammar->states[grammar->n_states] =
        (struct grammar_state){ .first_edge = GRAMMAR_NO_STATE, .last_edge = GRAMMAR_NO_STATE };
    return (uint32_t)grammar->n_states++;
}

bool grammar_add_edge(struct grammar *grammar, uint32_t from, struct grammar_edge edge) {
    if (grammar->n_edges >= 2 * GRAMMAR_STATES_MAX) {
        return false;
    }
    grammar->edges = mem_grow_array(grammar->edges, grammar->n_edges, &grammar->edges_capacity,
                                    sizeof *grammar->edges, 2 * GRAMMAR_STATES_MAX);
    uint32_t index = (uint32_t)grammar->n_edges++;
    struct grammar_state *state = &grammar->states[from];
    edge.next = GRAMMAR_NO_STATE;
    grammar->edges[index] = edge;
    if (state->last_edge == GRAMMAR_NO_STATE) {
        state->first_edge = index;
    } else {
        grammar->edges[state->last_edge].next = index;
    }
    state->last_edge = index;
    return true;
}

/* ---- Failing: the first reason stays, and everything after it does nothing ---- */

static bool has_failed(const struct parser *parser) {
    return parser->status != STATUS_OK;
}

static int line_of(const struct parser *parser) {
    int line = 1;
    for (const char *c = parser->text; c < parser->at; c++) {
        line += *c == '\n';
    }
    return line;
}

static void fail(struct parser *parser, const char *what) {
    if (!has_failed(parser)) {
        parser->status =
            fault_set(parser->fault, STATUS_INVALID, "the grammar, line %d: %s", line_of(parser), what);
    }
}

static void fail_size(struct parser *parser, const char *what) {
    if (!has_failed(parser)) {
        parser->status = fault_set(parser->fault, STATUS_TOO_LARGE, "the grammar is too large: %s", what);
    }
}

static uint32_t new_state(struct parser *parser) {
    uint32_t state = has_failed(parser) ? GRAMMAR_NO_STATE : grammar_add_state(parser->grammar);
    if (state == GRAMMAR_NO_STATE) {
        fail_size(parser, "it has too many states; make it smaller or repeat less");
        return 0; /* there is one, and nothing is added to it any more */
    }
    return state;
}

static void add_edge(struct parser *parser, uint32_t from, struct grammar_edge edge) {
    if (!has_failed(parser) && !grammar_add_edge(parser->grammar, from, edge)) {
        fail_size(parser, "it has too many branches; make it smaller or repeat less");
    }
}

static void link_empty(struct parser *parser, uint32_t from, uint32_t to) {
    add_edge(parser, from, (struct grammar_edge){ .kind = GRAMMAR_EMPTY, .target = to });
}

/* ---- Characters ---- */

static char peek(const struct parser *parser) {
    return parser->at < parser->end ? *parser->at : '\0';
}

/* Moves on by n characters, and counts them. */
static void advance(struct parser *parser, size_t n) {
    parser->at += n;
    parser->n_work += n;
    if (parser->n_work > GRAMMAR_WORK_MAX) {
        fail_size(parser, "its repetitions are too much work; repeat less");
    }
}

static bool take(struct parser *parser, char c) {
    bool is_there = peek(parser) == c && c != '\0';
    if (is_there) {
        advance(parser, 1);
    }
    return is_there;
}

/* White space and comments; new lines only inside a rule that is not over. */
static void skip_space(struct parser *parser, bool over_lines) {
    for (;;) {
        char c = peek(parser);
        if (c == '#') {
            while (peek(parser) != '\n' && peek(parser) != '\r' && parser->at < parser->end) {
                advance(parser, 1);
            }
        } else if (c == ' ' || c == '\t' || (over_lines && (c == '\n' || c == '\r'))) {
            advance(parser, 1);
        } else {
            return;
        }
    }
}

static bool is_word_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static size_t word_length(const struct parser *parser) {
    const char *at = parser->at;
    while (at < parser->end && is_word_char(*at)) {
        at++;
    }
    return (size_t)(at - parser->at);
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint32_t read_hex(struct parser *parser, int n_digits) {
    uint32_t code = 0;
    for (int i = 0; i < n_digits; i++) {
        int digit = hex_digit(peek(parser));
        if (digit < 0) {
            fail(parser, "an escape has too few hexadecimal digits");
            return 0;
        }
        code = code * 16 + (uint32_t)digit;
        advance(parser, 1);
    }
    if (code > CODE_MAX) {
        fail(parser, "an escape is beyond U+10FFFF");
        return 0;
    }
    return code;
}

static uint32_t read_escape(struct parser *parser) {
    char c = peek(parser);
    advance(parser, 1);
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'x':
        return read_hex(parser, 2);
    case 'u':
        return read_hex(parser, 4);
    case 'U':
        return read_hex(parser, 8);
    case '\\':
    case '"':
    case '[':
    case ']':
    case '-':
        return (uint32_t)c;
    default:
        fail(parser,
             "an escape that there is not: \\n \\r \\t \\\\ \\\" \\[ \\] \\- \\xHH \\uHHHH \\UHHHHHHHH");
        return 0;
    }
}

/* One character of a literal or a class; the text is valid UTF-8. */
static uint32_t read_char(struct parser *parser) {
    if (parser->at >= parser->end) {
        fail(parser, "it ends inside a literal or a class");
        return 0;
    }
    if (take(parser, '\\')) {
        return read_escape(parser);
    }
    unsigned char first = (unsigned char)*parser->at;
    size_t n = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (n > (size_t)(parser->end - parser->at)) {
        fail(parser, "it ends inside a character");
        return 0;
    }
    uint32_t code = n == 1 ? first : first & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        code = code << 6 | ((unsigned char)parser->at[i] & 0x3F);
    }
    advance(parser, n);
    return code;
}

/* ---- Passing over ---- */

static void skip_alternates(struct parser *parser);

static void skip_item(struct parser *parser) {
    char c = peek(parser);
    if (c == '"' || c == '[') {
        char close = c == '"' ? '"' : ']';
        advance(parser, 1);
        while (!has_failed(parser) && !take(parser, close)) {
            read_char(parser);
        }
    } else if (c == '(') {
        advance(parser, 1);
        skip_alternates(parser);
        if (!take(parser, ')')) {
            fail(parser, "a ) is missing");
        }
    } else {
        advance(parser, c == '.' ? 1 : word_length(parser));
    }
}

static bool is_at_item(const struct parser *parser) {
    char c = peek(parser);
    return !has_failed(parser) && c && (strchr("\"[(.", c) || is_word_char(c));
}

/* Everything up to the end of a group. */
static void skip_alternates(struct parser *parser) {
    if (++parser->depth > GRAMMAR_DEPTH_MAX) {
        fail_size(parser, "its groups are nested too deep");
    }
    skip_space(parser, true);
    while (!has_failed(parser) && peek(parser) != ')' && parser->at < parser->end) {
        if (is_at_item(parser)) {
            skip_item(parser);
        } else {
            advance(parser, 1);
        }
        skip_space(parser, true);
    }
    parser->depth--;
}

/* ---- Reading ---- */

static uint32_t read_alternates(struct parser *parser, uint32_t from, bool is_nested);

static uint32_t read_literal(struct parser *parser, uint32_t from) {
    advance(parser, 1);
    while (!has_failed(parser) && !take(parser, '"')) {
        uint32_t code = read_char(parser);
        struct char_range range = { .lowest = code, .highest = code };
        uint32_t to = new_state(parser);
        if (!has_failed(parser) && !grammar_add_chars(parser->grammar, from, to, &range, 1, false)) {
            fail_size(parser, "its literals are too long");
        }
        from = to;
    }
    return from;
}

static uint32_t read_class(struct parser *parser, uint32_t from) {
    size_t n = 0;
    advance(parser, 1);
    bool is_negated = take(parser, '^');
    while (!has_failed(parser) && !take(parser, ']')) {
        struct char_range range;
        range.lowest = range.highest = read_char(parser);
        bool is_range = peek(parser) == '-' && parser->at + 1 < parser->end && parser->at[1] != ']';
        if (is_range) {
            advance(parser, 1);
            range.highest = read_char(parser);
        }
        if (n == CLASS_RANGES_MAX) {
            fail_size(parser, "a class has too many characters");
        } else if (range.lowest > range.highest) {
            fail(parser, "a range of characters ends before it begins");
        } else {
            parser->ranges[n++] = range;
        }
    }
    uint32_t to = new_state(parser);
    if (!has_failed(parser) && !grammar_add_chars(parser->grammar, from, to, parser->ranges, n, is_negated)) {
        fail_size(parser, "its classes take too much room");
    }
    return to;
}

static uint32_t find_rule(struct parser *parser, const char *name, size_t size) {
    struct grammar *grammar = parser->grammar;
    for (size_t i = 0; i < grammar->n_rules; i++) {
        if (strlen(grammar->rules[i].name) == size && memcmp(grammar->rules[i].name, name, size) == 0) {
            return (uint32_t)i;
        }
    }
    if (grammar->n_rules >= RULES_MAX) {
        fail_size(parser, "it has too many rules");
        return 0;
    }
    grammar->rules = mem_grow_array(grammar->rules, grammar->n_rules, &grammar->rules_capacity,
                                    sizeof *grammar->rules, RULES_MAX);
    grammar->rules[grammar->n_rules] =
        (struct grammar_rule){ .name = mem_copy_bytes(name, size), .start = GRAMMAR_NO_STATE };
    return (uint32_t)grammar->n_rules++;
}

static uint32_t read_call(struct parser *parser, uint32_t from) {
    size_t size = word_length(parser);
    uint32_t rule = find_rule(parser, parser->at, size);
    uint32_t to = new_state(parser);
    advance(parser, size);
    add_edge(parser, from, (struct grammar_edge){ .kind = GRAMMAR_CALL, .rule = rule, .target = to });
    return to;
}

/* One item, without what repeats it. */
static uint32_t read_item(struct parser *parser, uint32_t from) {
    uint32_t to = from;
    switch (peek(parser)) {
    case '"':
        return read_literal(parser, from);
    case '[':
        return read_class(parser, from);
    case '(':
        advance(parser, 1);
        to = read_alternates(parser, from, true);
        if (!take(parser, ')')) {
            fail(parser, "a ) is missing");
        }
        return to;
    case '.':
        advance(parser, 1);
        to = new_state(parser);
        if (!has_failed(parser) && !grammar_add_chars(parser->grammar, from, to, parser->ranges, 0, true)) {
            fail_size(parser, "its classes take too much room");
        }
        return to;
    default:
        return read_call(parser, from);
    }
}

static int read_number(struct parser *parser) {
    int number = 0;
    if (peek(parser) < '0' || peek(parser) > '9') {
        fail(parser, "a number is missing in { }");
    }
    while (!has_failed(parser) && peek(parser) >= '0' && peek(parser) <= '9') {
        number = number * 10 + (peek(parser) - '0');
        if (number > GRAMMAR_REPEAT_MAX) {
            number = GRAMMAR_REPEAT_MAX + 1;
        }
        advance(parser, 1);
    }
    return number;
}

static struct repeat read_braces(struct parser *parser) {
    struct repeat repeat = { 0 };
    skip_space(parser, true);
    repeat.least = repeat.most = read_number(parser);
    skip_space(parser, true);
    if (take(parser, ',')) {
        skip_space(parser, true);
        repeat.most = peek(parser) == '}' ? NO_LIMIT : read_number(parser);
        skip_space(parser, true);
    }
    if (!take(parser, '}')) {
        fail(parser, "a } is missing");
    }
    if (repeat.least > GRAMMAR_REPEAT_MAX) {
        fail_size(parser, "something is repeated more than 2000 times");
    }
    if (repeat.most > GRAMMAR_REPEAT_MAX) {
        repeat.most = NO_LIMIT; /* as the library has it */
    } else if (repeat.most != NO_LIMIT && repeat.most < repeat.least) {
        fail(parser, "{ } has its larger number first");
    }
    return repeat;
}

/* What stands behind an item, all of it: "x+?" is (x+)?. */
static struct repeat read_repeat(struct parser *parser, bool *is_there) {
    *is_there = true;
    if (take(parser, '*')) {
        return (struct repeat){ .least = 0, .most = NO_LIMIT };
    }
    if (take(parser, '+')) {
        return (struct repeat){ .least = 1, .most = NO_LIMIT };
    }
    if (take(parser, '?')) {
        return (struct repeat){ .least = 0, .most = 1 };
    }
    if (take(parser, '{')) {
        return read_braces(parser);
    }
    *is_there = false;
    return (struct repeat){ .least = 1, .most = 1 };
}

static uint32_t read_again(struct parser *parser, const char *item, uint32_t from) {
    parser->at = item;
    return read_item(parser, from);
}

static uint32_t read_copies(struct parser *parser, const char *item, struct repeat repeat, uint32_t from) {
    for (int i = 0; i < repeat.least && !has_failed(parser); i++) {
        from = read_again(parser, item, from);
    }
    uint32_t to = new_state(parser);
    if (repeat.most == NO_LIMIT) {
        uint32_t begin = new_state(parser);
        link_empty(parser, from, begin);
        link_empty(parser, begin, to);
        link_empty(parser, read_again(parser, item, begin), begin);
        return to;
    }
    for (int i = repeat.least; i < repeat.most && !has_failed(parser); i++) {
        link_empty(parser, from, to);
        from = read_again(parser, item, from);
    }
    link_empty(parser, from, to);
    return to;
}

/* Two repetitions of one item: a group would say it more plainly, but the notation has it. */
static uint32_t read_repeated(struct parser *parser, uint32_t from, bool is_nested) {
    bool is_there;
    const char *item = parser->at;
    skip_item(parser);
    skip_space(parser, is_nested);
    struct repeat repeat = read_repeat(parser, &is_there);
    skip_space(parser, is_nested);
    if (peek(parser) && strchr("*+?{", peek(parser))) {
        fail(parser, "an item is repeated twice; put the first into ( )");
    }
    const char *behind = parser->at;
    uint32_t to = is_there ? read_copies(parser, item, repeat, from) : read_again(parser, item, from);
    if (!has_failed(parser)) {
        parser->at = behind;
    }
    return to;
}

static uint32_t read_sequence(struct parser *parser, uint32_t from, bool is_nested) {
    while (is_at_item(parser)) {
        from = read_repeated(parser, from, is_nested);
    }
    return from;
}

static uint32_t read_alternates(struct parser *parser, uint32_t from, bool is_nested) {
    if (++parser->depth > GRAMMAR_DEPTH_MAX) {
        fail_size(parser, "its groups are nested too deep");
    }
    uint32_t to = new_state(parser);
    do {
        uint32_t begin = new_state(parser);
        skip_space(parser, true);
        link_empty(parser, from, begin); /* so that a loop in one alternative does not lead into another */
        link_empty(parser, read_sequence(parser, begin, is_nested), to);
    } while (take(parser, '|'));
    parser->depth--;
    return to;
}

static void read_rule(struct parser *parser) {
    size_t size = word_length(parser);
    const char *name = parser->at;
    if (size == 0) {
        fail(parser, "the name of a rule is missing");
        return;
    }
    uint32_t rule = find_rule(parser, name, size);
    advance(parser, size);
    skip_space(parser, false);
    if (!take(parser, ':') || !take(parser, ':') || !take(parser, '=')) {
        fail(parser, "::= is missing behind the name of a rule");
        return;
    }
    if (parser->grammar->rules[rule].start != GRAMMAR_NO_STATE) {
        fail(parser, "a rule is defined twice");
        return;
    }
    uint32_t start = new_state(parser);
    parser->grammar->rules[rule].start = start;
    uint32_t to = read_alternates(parser, start, false);
    if (!has_failed(parser)) {
        parser->grammar->states[to].is_end = true;
    }
    if (parser->at < parser->end && peek(parser) != '\n' && peek(parser) != '\r') {
        fail(parser, peek(parser) == '<' || peek(parser) == '!'
                         ? "tokens (<…>) cannot be used in a grammar here"
                         : "something that is no part of a rule");
    }
    skip_space(parser, true);
}

/* ---- Behind the parser ---- */

static void check_rules(struct parser *parser) {
    struct grammar *grammar = parser->grammar;
    grammar->root = GRAMMAR_NO_STATE;
    for (size_t i = 0; i < grammar->n_rules && !has_failed(parser); i++) {
        if (grammar->rules[i].start == GRAMMAR_NO_STATE) {
            parser->status = fault_set(parser->fault, STATUS_INVALID,
                                       "the grammar has no rule \"%.60s\", which another one uses",
                                       grammar->rules[i].name);
        }
        if (strcmp(grammar->rules[i].name, "root") == 0) {
            grammar->root = (uint32_t)i;
        }
    }
    if (!has_failed(parser) && grammar->root == GRAMMAR_NO_STATE) {
        parser->status =
            fault_set(parser->fault, STATUS_INVALID, "the grammar has no rule \"root\", where it begins");
    }
}

/* A call that nothing follows needs no place to come back to. Ends are made last, so later states are looked at first. */
static void mark_tails(struct grammar *grammar) {
    bool has_changed = true;
    for (size_t i = 0; i < grammar->n_states; i++) {
        struct grammar_state *state = &grammar->states[i];
        state->is_tail = state->is_end && state->first_edge == GRAMMAR_NO_STATE;
    }
    for (int round = 0; has_changed && round < 2 * GRAMMAR_DEPTH_MAX; round++) {
        has_changed = false;
        for (size_t i = 0; i < grammar->n_states; i++) {
            struct grammar_state *state = &grammar->states[i];
            if (state->is_tail || state->first_edge == GRAMMAR_NO_STATE ||
                state->first_edge != state->last_edge) {
                continue;
            }
            const struct grammar_edge *edge = &grammar->edges[state->first_edge];
            state->is_tail = edge->kind == GRAMMAR_EMPTY && grammar->states[edge->target].is_tail;
            has_changed = has_changed || state->is_tail;
        }
    }
}

enum status grammar_new(const char *text, size_t n_bytes, struct grammar **out, struct fault *fault) {
    *out = NULL;
    n_bytes = strnlen(text, n_bytes);
    if (n_bytes > GRAMMAR_BYTES_MAX) {
        return fault_set(fault, STATUS_TOO_LARGE, "the grammar is too large: %zu bytes of at most %u",
                         n_bytes, GRAMMAR_BYTES_MAX);
    }
    struct parser *parser = mem_alloc(sizeof *parser);
    struct grammar *grammar = mem_alloc(sizeof *grammar);
    *parser = (struct parser){
        .grammar = grammar, .text = text, .at = text, .end = text + n_bytes, .fault = fault
    };
    skip_space(parser, true);
    while (!has_failed(parser) && parser->at < parser->end) {
        read_rule(parser);
    }
    check_rules(parser);
    enum status status = parser->status;
    free(parser);
    if (status) {
        grammar_free(grammar);
        return status;
    }
    mark_tails(grammar);
    *out = grammar;
    return STATUS_OK;
}

void grammar_free(struct grammar *grammar) {
    if (grammar) {
        for (size_t i = 0; i < grammar->n_rules; i++) {
            free(grammar->rules[i].name);
        }
        free(grammar->rules);
        free(grammar->states);
        free(grammar->edges);
        free(grammar);
    }
}

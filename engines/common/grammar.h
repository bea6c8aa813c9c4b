/* grammar.h - a grammar in GBNF, the notation of llama.cpp, as a machine that reads bytes.
 *
 * The library's own matcher recurses as deep as the text wants, keeps every way to read an ambiguous text apart, and ends the process
 * over some mistakes. A grammar comes from outside, so here everything is counted: what is too deep, too large or too much work is
 * refused with a sentence.
 *
 * Each rule is an automaton over bytes: characters become their UTF-8. An edge may call another rule and go on behind it.
 *
 *   root  ::= "yes" | "no" [.!]* list{1,3}       literals, choice, classes, repetition: * + ? {n} {n,} {n,m}
 *   list  ::= ("," [^,\n] .)+                    groups, "." any character; escapes \n \r \t \\ \" \[ \] \- \xHH \uHHHH \UHHHHHHHH
 *   # a comment; a rule ends with its line, but for what stands in ( ) or behind | and ::=
 * Tokens of a vocabulary (<think>, <[7]>) are no part of it.
 *
 * Owner   whoever called grammar_new.
 * Thread  any; it does not change.
 * Memory  grammar_free: NULL is fine.
 * Limits  the constants below; beyond them STATUS_TOO_LARGE.
 */
#ifndef RUNNEL_ENGINES_COMMON_GRAMMAR_H
#define RUNNEL_ENGINES_COMMON_GRAMMAR_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRAMMAR_BYTES_MAX  (1u << 20)
#define GRAMMAR_DEPTH_MAX  64 /* groups in groups */
#define GRAMMAR_REPEAT_MAX 2000
#define GRAMMAR_STATES_MAX (1u << 18)
#define GRAMMAR_WORK_MAX   (1u << 23) /* characters looked at: a group is read again for each repetition */
#define GRAMMAR_NO_STATE   UINT32_MAX

enum grammar_edge_kind {
    GRAMMAR_BYTES, /* one byte of lowest … highest */
    GRAMMAR_EMPTY, /* nothing */
    GRAMMAR_CALL,  /* the rule `rule` */
};

struct grammar_edge {
    uint32_t target;
    uint32_t next; /* of the same state, in the order written; GRAMMAR_NO_STATE: the last */
    uint32_t rule; /* CALL */
    uint8_t kind;
    uint8_t lowest;
    uint8_t highest;
};

struct grammar_state {
    uint32_t first_edge;
    uint32_t last_edge;
    bool is_end;  /* of its rule */
    bool is_tail; /* nothing but the end can follow */
};

struct grammar_rule {
    char *name;
    uint32_t start; /* GRAMMAR_NO_STATE: used and not yet defined */
};

struct grammar {
    struct grammar_state *states;
    size_t n_states;
    size_t states_capacity;
    struct grammar_edge *edges;
    size_t n_edges;
    size_t edges_capacity;
    struct grammar_rule *rules;
    size_t n_rules;
    size_t rules_capacity;
    uint32_t root; /* the rule */
};

/* grammar_new: the fault names the line. `text` ends with n_bytes or its first NUL. */
MUST_CHECK enum status grammar_new(const char *text, size_t n_bytes, struct grammar **out,
                                   struct fault *fault);
void grammar_free(struct grammar *grammar);

/* ---- For the files that build one ---- */
/* Return GRAMMAR_NO_STATE, or false, when the maximum is reached. */
uint32_t grammar_add_state(struct grammar *grammar);
bool grammar_add_edge(struct grammar *grammar, uint32_t from, struct grammar_edge edge);

struct char_range {
    uint32_t lowest;
    uint32_t highest;
};

/* grammar_add_chars leads from `from` to `to` over the UTF-8 of each character of the ranges, which it sorts. With `is_negated` over
 * all others. */
bool grammar_add_chars(struct grammar *grammar, uint32_t from, uint32_t to, struct char_range *ranges,
                       size_t n, bool is_negated);

#endif

#include "speech.h"

#include "faults.h"
#include "voice.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_MS    1000000u
#define GATE_LOOK_MS 5

#define PROBABILITIES_BYTES_MAX 4096

enum speech_state { SPEECH_QUEUED, SPEECH_PREFILL, SPEECH_SPEAKING, SPEECH_ENDED };

struct speech {
    struct speech *next;
    struct command *command;
    enum speech_state state;
    struct piece piece;
    struct voice voice;
    const char *message; /* the last one */
    int position;        /* last one told */
    int n_prompt;        /* the prefix counts */
    int n_cached;
    int n_done; /* of the prompt */
    int n_chunks;
    int n_said; /* by this speech */
    size_t next_fault;
    bool waits; /* at a gate */
    const char *reason;
    struct engine_error error;
    uint64_t chunk_due_ns;
    uint64_t queued_ns;
    uint64_t started_ns;
    uint64_t first_ns;
};

void speeches_init(struct speeches *speeches, struct events *events, const struct script *script) {
    *speeches = (struct speeches){ .events = events, .script = script };
}

static void speech_free(struct speech *speech) {
    piece_deinit(&speech->piece);
    command_free(speech->command);
    free(speech);
}

void speeches_deinit(struct speeches *speeches) {
    while (speeches->first) {
        struct speech *speech = speeches->first;
        speeches->first = speech->next;
        speech_free(speech);
    }
    while (speeches->drafts) {
        struct command *draft = speeches->drafts;
        speeches->drafts = draft->next;
        command_free(draft);
    }
    for (size_t i = 0; i < SPEECHES_KEYS_MAX; i++) {
        free(speeches->memories[i].cache_key);
    }
}

static struct speech_memory *find_memory(struct speeches *speeches, const char *cache_key) {
    for (size_t i = 0; cache_key && i < SPEECHES_KEYS_MAX; i++) {
        struct speech_memory *memory = &speeches->memories[i];
        if (memory->cache_key && strcmp(memory->cache_key, cache_key) == 0) {
            return memory;
        }
    }
    return NULL;
}

static void remember(struct speeches *speeches, const char *cache_key, int n_tokens) {
    if (cache_key == NULL) {
        return;
    }
    struct speech_memory *memory = find_memory(speeches, cache_key);
    if (memory == NULL) {
        memory = &speeches->memories[speeches->next_memory];
        speeches->next_memory = (speeches->next_memory + 1) % SPEECHES_KEYS_MAX;
        free(memory->cache_key);
        memory->cache_key = mem_copy_string(cache_key);
    }
    memory->n_tokens = n_tokens;
}

static double ms_between(uint64_t from_ns, uint64_t to_ns) {
    return from_ns && to_ns > from_ns ? (double)(to_ns - from_ns) / NS_PER_MS : 0;
}

/* Sends the one `end` and gives the slot back. The speech stays in the list until the sweep. */
static void end(struct speeches *speeches, struct speech *speech) {
    uint64_t now = clock_now_ns();
    uint64_t started = speech->started_ns ? speech->started_ns : now;
    uint64_t first = speech->first_ns ? speech->first_ns : now;
    struct end_report report = {
        .reason = speech->reason,
        .error = strcmp(speech->reason, "error") == 0 ? &speech->error : NULL,
        .n_prompt = speech->n_prompt,
        .n_cached = speech->n_cached,
        .n_completion = speech->n_said,
        .stop = stop_matcher_found(&speech->piece.stops, speech->command->generate.n_stop),
        .prompt = speech->command->generate.made_prompt,
        .queued_ms = ms_between(speech->queued_ns, started),
        .prefill_ms = ms_between(speech->started_ns, first),
        .decode_ms = ms_between(speech->first_ns, now),
    };
    if (speech->state == SPEECH_QUEUED) {
        speeches->n_queued--;
    } else {
        speeches->n_active--;
        remember(speeches, speech->command->generate.cache_key, speech->n_done + speech->n_said);
    }
    speech->state = SPEECH_ENDED;
    events_end(speeches->events, speech->command->id, &report);
}

/* Says all that is still held back, as an item of no token ([E14]). */
static void flush(struct speeches *speeches, struct speech *speech) {
    piece_clear_text(&speech->piece);
    piece_finish(&speech->piece);
    if (speech->piece.text.size > 0) {
        events_step_begin(speeches->events, clock_now_ns());
        events_step_add(speeches->events, &(struct step_item){ .id = speech->command->id,
                                                               .token = -1,
                                                               .text = speech->piece.text.data,
                                                               .size = speech->piece.text.size });
        events_step_send(speeches->events);
    }
}

int speeches_count_prompt(const struct script *script, const struct generate *generate) {
    int n = script->prompt_tokens;
    for (size_t i = 0; script->prompt_tokens == 0 && i < generate->n_messages; i++) {
        n += script_count_words(generate->messages[i].content);
    }
    n += script->prompt_tokens == 0 && generate->begun ? script_count_words(generate->begun) : 0;
    return n > 0 ? n : 1;
}

/* ---- Drafts ---- */

static void end_draft(struct speeches *speeches, struct command *command, const char *reason) {
    LOG_INFO("fake_draft", "id=%s reason=%s", command->id, reason);
    events_end(speeches->events, command->id, &(struct end_report){ .reason = reason });
    command_free(command);
}

/* Those with this id; NULL: all. */
static void cancel_drafts(struct speeches *speeches, const char *id) {
    for (struct command **at = &speeches->drafts; *at;) {
        struct command *draft = *at;
        if (id == NULL || strcmp(draft->id, id) == 0) {
            *at = draft->next;
            end_draft(speeches, draft, "cancelled");
        } else {
            at = &draft->next;
        }
    }
}

void speeches_add_draft(struct speeches *speeches, struct command *command) {
    const struct generate *generate = &command->generate;
    int n_words = speeches_count_prompt(speeches->script, generate);
    LOG_INFO("fake_draft", "id=%s key=%s messages=%zu words=%d", command->id,
             generate->cache_key ? generate->cache_key : "", generate->n_messages, n_words);
    remember(speeches, generate->cache_key, n_words);
    if (speeches->script->hold_drafts) {
        command->next = speeches->drafts;
        speeches->drafts = command;
    } else {
        end_draft(speeches, command, "stop");
    }
}

void speeches_forget(struct speeches *speeches, const char *cache_key) {
    struct speech_memory *memory = find_memory(speeches, cache_key);
    LOG_INFO("fake_forget", "known=%d key=%s", memory != NULL, cache_key ? cache_key : "");
    if (memory) {
        free(memory->cache_key);
        memory->cache_key = NULL;
    }
}

/* Moves behind the prefix and looks whether there is room. Sets `reason` when there is nothing to say. */
static void prepare(const struct script *script, struct speech *speech) {
    const struct generate *generate = &speech->command->generate;
    bool stopped;
    int n_conversation = speech->n_prompt;
    if (voice_take_prefix(&speech->voice, generate, &speech->piece, &stopped, &speech->error)) {
        speech->reason = "error";
        return;
    }
    speech->n_prompt += speech->voice.n_said;
    if (n_conversation >= script->context_size || speech->n_prompt > script->context_size) {
        engine_error_set(
            &speech->error, ERROR_CONTEXT_FULL,
            "the prompt has %d tokens and the context only %d: shorten it or load with a larger context",
            speech->n_prompt, script->context_size);
        speech->reason = "error";
    } else if (stopped || speech->n_prompt == script->context_size) {
        speech->reason = stopped ? "stop" : "length";
    }
}

void speeches_add(struct speeches *speeches, struct command *command) {
    struct speech *speech = mem_alloc(sizeof *speech);
    const struct generate *generate = &command->generate;
    cancel_drafts(speeches, NULL);
    speech->command = command;
    speech->queued_ns = clock_now_ns();
    speech->message = generate->messages[generate->n_messages - 1].content;
    voice_init(&speech->voice, speeches->script, generate);
    speech->n_prompt = speeches_count_prompt(speeches->script, generate);
    piece_init(&speech->piece, generate->stop, generate->n_stop);
    struct speech **tail = &speeches->first;
    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = speech;
    speeches->n_queued++;
    prepare(speeches->script, speech);
    if (speech->reason == NULL && speeches->n_queued > SPEECHES_QUEUED_MAX) {
        engine_error_set(&speech->error, ERROR_INTERNAL, "more than %d generations wait",
                         SPEECHES_QUEUED_MAX);
        speech->reason = "error";
    }
    if (speech->reason) {
        if (strcmp(speech->reason, "length") == 0) {
            flush(speeches, speech);
        }
        end(speeches, speech);
    }
}

void speeches_cancel(struct speeches *speeches, const char *id) {
    cancel_drafts(speeches, id);
    for (struct speech *speech = speeches->first; speech; speech = speech->next) {
        if (speech->state == SPEECH_ENDED || (id && strcmp(speech->command->id, id) != 0)) {
            continue;
        }
        flush(speeches, speech);
        speech->reason = "cancelled";
        end(speeches, speech);
    }
}

static void sweep(struct speeches *speeches) {
    for (struct speech **at = &speeches->first; *at;) {
        struct speech *speech = *at;
        if (speech->state == SPEECH_ENDED) {
            *at = speech->next;
            speech_free(speech);
        } else {
            at = &speech->next;
        }
    }
}

static void start(struct speeches *speeches, struct speech *speech) {
    const char *cache_key = speech->command->generate.cache_key;
    const struct speech_memory *memory = find_memory(speeches, cache_key);
    int n_known = memory ? memory->n_tokens : 0;
    speech->n_cached = n_known < speech->n_prompt ? n_known : speech->n_prompt - 1;
    speech->n_done = speech->n_cached;
    speech->started_ns = clock_now_ns();
    speech->chunk_due_ns = speech->started_ns + (uint64_t)speeches->script->prefill_ms * NS_PER_MS;
    speech->state = SPEECH_PREFILL;
    speeches->n_queued--;
    speeches->n_active++;
    events_prefill(speeches->events, speech->command->id, speech->n_done, speech->n_prompt, speech->n_cached);
}

/* Gives free slots to those who waited longest, and tells the others their new place. */
static void start_queued(struct speeches *speeches) {
    int position = 0;
    for (struct speech *speech = speeches->first; speech; speech = speech->next) {
        if (speech->state != SPEECH_QUEUED) {
            continue;
        }
        if (speeches->n_active < speeches->script->slots) {
            start(speeches, speech);
        } else if (speech->position != ++position) {
            speech->position = position;
            events_queued(speeches->events, speech->command->id, position);
        }
    }
}

/* Does what the script says for this point; false: the speech may not go on, it waits at a gate or ends. */
static bool may_go_on(struct speeches *speeches, struct speech *speech, enum script_point point, int number) {
    enum faults_outcome outcome = faults_do(speeches->script, speeches->events->channel, point, number,
                                            speech->message, &speech->next_fault);
    speech->waits = outcome == FAULTS_WAIT;
    if (outcome == FAULTS_ERROR) {
        engine_error_set(&speech->error, ERROR_INTERNAL, "the script says that %s %d fails",
                         point == SCRIPT_AT_PREFILL ? "chunk" : "token", number);
        speech->reason = "error";
    }
    return outcome == FAULTS_DONE;
}

static void prefill(struct speeches *speeches, struct speech *speech, uint64_t now) {
    const struct script *script = speeches->script;
    while (speech->state == SPEECH_PREFILL && now >= speech->chunk_due_ns &&
           may_go_on(speeches, speech, SCRIPT_AT_PREFILL, speech->n_chunks + 1)) {
        speech->n_chunks++;
        int left = speech->n_prompt - speech->n_done;
        speech->n_done += left < script->prefill_chunk ? left : script->prefill_chunk;
        speech->chunk_due_ns += (uint64_t)script->prefill_ms * NS_PER_MS;
        if (speech->n_done == speech->n_prompt) {
            speech->state = SPEECH_SPEAKING;
        }
        events_prefill(speeches->events, speech->command->id, speech->n_done, speech->n_prompt,
                       speech->n_cached);
    }
    if (speech->state == SPEECH_PREFILL && speech->reason) {
        end(speeches, speech);
    }
}

/* Why the speech ends with the token just said; NULL: it goes on. */
static const char *reason_to_end(const struct script *script, const struct speech *speech, bool stopped) {
    int max_tokens = speech->command->generate.max_tokens;
    if (stopped) {
        return "stop";
    }
    bool is_full = speech->n_prompt + speech->n_said >= script->context_size;
    return is_full || (max_tokens >= 0 && speech->n_said >= max_tokens) ? "length" : NULL;
}

/* A token is as likely as not, and its alternatives are itself. */
static void add_probabilities(const struct speech *speech, int token, const char *data, size_t size,
                              struct bytes *out) {
    char hex[64] = "";
    for (size_t i = 0; i < size && i < sizeof hex / 2 - 1; i++) {
        snprintf(hex + 2 * i, 3, "%02x", (unsigned)(unsigned char)data[i]);
    }
    bytes_add_format(out, ",\"logprob\":-0.5,\"bytes\":\"%s\",\"top\":[", hex);
    for (int i = 0; i < speech->command->generate.n_logprobs; i++) {
        bytes_add_format(out, "%s[\"%s\",%.1f,%d]", i ? "," : "", hex, -0.5 - i, token + i);
    }
    bytes_add_char(out, ']');
}

/* The items of a token, or of what was held back (−1). */
static void add_items(struct events *events, const struct speech *speech, int token,
                      const char *probabilities) {
    const struct bytes *text = &speech->piece.text;
    const struct step_item *other = voice_other(&speech->voice, token);
    if (other) {
        struct step_item item = *other;
        item.id = speech->command->id;
        item.token = token;
        item.probabilities = probabilities;
        events_step_add(events, &item);
    }
    if (text->size > 0 || (token >= 0 && other == NULL)) {
        events_step_add(events, &(struct step_item){ .id = speech->command->id,
                                                     .token = other ? -1 : token,
                                                     .text = text->size ? text->data : "",
                                                     .size = text->size,
                                                     .probabilities = other ? NULL : probabilities });
    }
}

/* Says one token of one speech into the step under way. Sets `reason` when it is the last. */
static void say(struct speeches *speeches, struct speech *speech, uint64_t now) {
    const struct script *script = speeches->script;
    const char *data;
    size_t size;
    struct piece *piece = &speech->piece;
    int token;
    bool says_nothing = speech->command->generate.max_tokens == 0;
    if (says_nothing || !voice_next(&speech->voice, &data, &size, &token)) {
        piece_clear_text(piece);
        piece_finish(piece);
        token = -1;
        speech->reason = says_nothing ? "length" : "stop";
    } else {
        bool stopped = piece_add(piece, data, size);
        speech->n_said++;
        speech->reason = reason_to_end(script, speech, stopped);
        if (speech->reason) {
            piece_finish(piece);
        }
        LOG_TRACE("[ENGINE]", "token #%d sampled id=%s tok=%d t_ns=%llu", speech->n_said, speech->command->id,
                  token, (unsigned long long)now);
    }
    speech->first_ns = speech->first_ns ? speech->first_ns : now;
    struct bytes probabilities;
    bytes_init(&probabilities, PROBABILITIES_BYTES_MAX);
    if (token >= 0 && speech->command->generate.n_logprobs >= 0) {
        add_probabilities(speech, token, data, size, &probabilities);
    }
    add_items(speeches->events, speech, token, probabilities.size ? probabilities.data : NULL);
    bytes_deinit(&probabilities);
}

/* Whether the speech may say its next token now: gates and faults come first. */
static bool is_ready(struct speeches *speeches, struct speech *speech) {
    if (speech->n_said == 0 && !faults_gate_is_open(speeches->script->start_gate)) {
        speech->waits = true;
        return false;
    }
    return may_go_on(speeches, speech, SCRIPT_AT_TOKEN, speech->voice.n_said + 1);
}

/* One step: a token of everyone who may speak, in one line, and then the ends. */
static void step(struct speeches *speeches) {
    uint64_t now = clock_now_ns();
    events_step_begin(speeches->events, now);
    for (struct speech *speech = speeches->first; speech; speech = speech->next) {
        if (speech->state == SPEECH_SPEAKING && is_ready(speeches, speech)) {
            say(speeches, speech, now);
        }
    }
    events_step_send(speeches->events);
    for (struct speech *speech = speeches->first; speech; speech = speech->next) {
        if (speech->state == SPEECH_SPEAKING && speech->reason) {
            end(speeches, speech);
        }
    }
}

/* The time of the next thing to do; 0: nothing. */
static uint64_t next_due_ns(const struct speeches *speeches) {
    uint64_t due = 0;
    uint64_t gate_due = clock_now_ns() + GATE_LOOK_MS * NS_PER_MS;
    for (const struct speech *speech = speeches->first; speech; speech = speech->next) {
        uint64_t own = speech->waits                     ? gate_due
                       : speech->state == SPEECH_PREFILL ? speech->chunk_due_ns
                                                         : speeches->next_step_ns;
        if (speech->state != SPEECH_QUEUED && (due == 0 || own < due)) {
            due = own;
        }
    }
    return due;
}

int speeches_advance(struct speeches *speeches) {
    start_queued(speeches);
    bool speaks = false;
    for (struct speech *speech = speeches->first; speech; speech = speech->next) {
        prefill(speeches, speech, clock_now_ns());
        speaks = speaks || speech->state == SPEECH_SPEAKING;
    }
    uint64_t now = clock_now_ns();
    if (speaks && now >= speeches->next_step_ns) {
        step(speeches);
        uint64_t next = speeches->next_step_ns + (uint64_t)speeches->script->token_ms * NS_PER_MS;
        speeches->next_step_ns = next > now ? next : now + (uint64_t)speeches->script->token_ms * NS_PER_MS;
    }
    sweep(speeches);
    start_queued(speeches);
    uint64_t due = next_due_ns(speeches);
    if (due == 0) {
        return -1;
    }
    now = clock_now_ns();
    return due <= now ? 0 : (int)((due - now + NS_PER_MS - 1) / NS_PER_MS);
}

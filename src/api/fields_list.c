/* fields_list.c - the lists of fields.h. A row that is new or changed belongs to the code that takes it: tests/clients/test_fields.py sends each. */
#include "api/fields.h"

#include <stddef.h>

#define DONE(name, note)                                                                                     \
    { name, FIELD_DONE, NULL, note }
#define ONLY(name, value, note)                                                                              \
    { name, FIELD_DONE, value, note }
#define IGNORED(name, note)                                                                                  \
    { name, FIELD_IGNORED, NULL, note }
#define REFUSED(name, instead)                                                                               \
    { name, FIELD_REFUSED, NULL, instead }
#define END                                                                                                  \
    { NULL, FIELD_DONE, NULL, NULL }

#define LEAVE     "leave it away"
#define ASK_AGAIN "ask again for another answer"

/* ---- OpenAI ---- */

#define OPENAI_MODEL DONE("model", "absent or `default`: the configured one; unknown: 404")
#define OPENAI_SAMPLING                                                                                      \
    DONE("temperature", NULL), DONE("top_p", NULL), DONE("top_k", NULL), DONE("min_p", NULL),                \
        DONE("seed", NULL), DONE("stop", NULL)
#define OPENAI_PENALTIES                                                                                     \
    DONE("frequency_penalty", NULL), DONE("presence_penalty", NULL), DONE("logit_bias", NULL),               \
        DONE("ignore_eos", NULL)
#define OPENAI_STREAM                                                                                        \
    DONE("stream", NULL), DONE("stream_options.include_usage", NULL),                                        \
        IGNORED("stream_options.include_obfuscation", NULL)
#define OPENAI_ACCOUNT                                                                                       \
    IGNORED("user", NULL), IGNORED("service_tier", NULL), IGNORED("safety_identifier", NULL),                \
        IGNORED("prompt_cache_key", "the cache finds what is alike by itself"),                              \
        IGNORED("prompt_cache_retention", NULL)

/* What llama-server's clients add, there too [W108]. */
#define LLAMA_SAMPLING                                                                                       \
    DONE("repeat_penalty", NULL), DONE("mirostat", "1 as 2"), DONE("mirostat_tau", NULL),                    \
        DONE("mirostat_eta", NULL), DONE("grammar", "GBNF; not with another form of the answer"),            \
        DONE("json_schema", "not with another form of the answer"), DONE("timings_per_token", NULL),         \
        DONE("return_progress", NULL)
#define LLAMA_IGNORED                                                                                        \
    IGNORED("cache_prompt", "the cache finds what is alike by itself"), IGNORED("id_slot", NULL),            \
        IGNORED("samplers", NULL)

static const struct field chat[] = {
    OPENAI_MODEL,
    DONE("messages", "all roles, parts of text; a last one of the assistant is gone on with; too long: "
                     "`context_length_exceeded`"),
    OPENAI_STREAM,
    DONE("max_tokens", NULL),
    DONE("max_completion_tokens", NULL),
    OPENAI_SAMPLING,
    OPENAI_PENALTIES,
    DONE("logprobs", NULL),
    DONE("top_logprobs", NULL),
    DONE("tools", "functions, with any model"),
    DONE("tool_choice", "`auto`, `none`, `required`, one function"),
    DONE("parallel_tool_calls", NULL),
    DONE("response_format", "not together with `tools`"),
    DONE("reasoning_effort", "`none` turns thoughts off, other values are the model's affair"),
    DONE("store", "[W93]"),
    DONE("n_predict", "where there is no `max_tokens`"),
    DONE("chat_template_kwargs.enable_thinking", NULL),
    LLAMA_SAMPLING,
    LLAMA_IGNORED,
    ONLY("n", "1", ASK_AGAIN),
    ONLY("modalities", "[\"text\"]", "answers are text"),
    OPENAI_ACCOUNT,
    IGNORED("metadata", NULL),
    IGNORED("verbosity", NULL),
    REFUSED("functions", "use \"tools\""),
    REFUSED("function_call", "use \"tool_choice\""),
    REFUSED("audio", "answers are text"),
    REFUSED("prediction", LEAVE),
    REFUSED("web_search_options", "the server does not search"),
    END,
};
const struct fields fields_chat = { "POST /v1/chat/completions", chat };

static const struct field completions[] = {
    OPENAI_MODEL,
    DONE("prompt", "one: a text, or a list of token ids and texts"),
    DONE("echo", "not together with `logprobs`"),
    DONE("logprobs", "0 to 5"),
    DONE("max_tokens", "16 where it is absent"),
    OPENAI_STREAM,
    OPENAI_SAMPLING,
    OPENAI_PENALTIES,
    DONE("response_format", NULL),
    DONE("n_predict", "where there is no `max_tokens`"),
    LLAMA_SAMPLING,
    LLAMA_IGNORED,
    ONLY("n", "1", ASK_AGAIN),
    ONLY("best_of", "1", ASK_AGAIN),
    OPENAI_ACCOUNT,
    REFUSED("suffix", "put what comes behind the gap into the prompt"),
    REFUSED("tools", "they need messages: use /v1/chat/completions"),
    END,
};
const struct fields fields_completions = { "POST /v1/completions", completions };

static const struct field responses[] = {
    OPENAI_MODEL,
    DONE("input", "text, messages, calls, their outputs, reasoning"),
    DONE("instructions", NULL),
    DONE("tools", "functions"),
    DONE("tool_choice", NULL),
    DONE("parallel_tool_calls", NULL),
    DONE("text.format", NULL),
    DONE("reasoning.effort", "`none`"),
    DONE("max_output_tokens", NULL),
    OPENAI_SAMPLING,
    DONE("top_logprobs", NULL),
    DONE("include", "probabilities; other names have no effect"),
    DONE("store", NULL),
    DONE("previous_response_id", NULL),
    DONE("conversation", "an id of Runnel"),
    DONE("background", "not without `store`"),
    DONE("stream", NULL),
    DONE("truncation", NULL),
    DONE("metadata", NULL),
    OPENAI_ACCOUNT,
    IGNORED("max_tool_calls", NULL),
    IGNORED("reasoning.summary", NULL),
    IGNORED("stream_options.include_obfuscation", NULL),
    IGNORED("text.verbosity", NULL),
    REFUSED("prompt", "send \"instructions\" and \"input\""),
    REFUSED("context_management", LEAVE),
    REFUSED("moderation", LEAVE),
    END,
};
const struct fields fields_responses = { "POST /v1/responses", responses };

static const struct field embeddings[] = {
    OPENAI_MODEL,
    DONE("input",
         "a text, texts, token ids, lists of them: at most 2,048; too long: `context_length_exceeded`"),
    DONE("encoding_format", "`float`, `base64`"),
    DONE("dimensions", "at most those of the model"),
    IGNORED("user", NULL),
    END,
};
const struct fields fields_embeddings = { "POST /v1/embeddings", embeddings };

/* ---- llama-server ---- */

#define LLAMA_REST                                                                                           \
    OPENAI_MODEL, DONE("n_predict", "0: the prompt is computed, and that is all"),                           \
        DONE("max_tokens", "where there is no `n_predict`"), DONE("stream", NULL), OPENAI_SAMPLING,          \
        DONE("frequency_penalty", NULL), DONE("presence_penalty", NULL),                                     \
        DONE("logit_bias", "ids or texts; an object or pairs"), DONE("ignore_eos", NULL), LLAMA_SAMPLING,    \
        DONE("n_probs", "0 to 20"), DONE("return_tokens", NULL), DONE("response_fields", NULL),              \
        ONLY("n_cmpl", "1", ASK_AGAIN), ONLY("n_indent", "0", LEAVE),                                        \
        ONLY("t_max_predict_ms", "0", "use n_predict"), LLAMA_IGNORED, IGNORED("n_keep", NULL),              \
        IGNORED("repeat_last_n", NULL), IGNORED("min_keep", NULL), IGNORED("typical_p", NULL),               \
        IGNORED("dynatemp_range", NULL), IGNORED("dry_multiplier", NULL), IGNORED("xtc_probability", NULL),  \
        IGNORED("sse_ping_interval", NULL),                                                                  \
        REFUSED("post_sampling_probs", "probabilities are those before sampling, " LEAVE),                   \
        REFUSED("lora", "there are no adapters, " LEAVE)

static const struct field completion[] = {
    DONE("prompt", "one: a text, or a list of token ids and texts; too long: `exceed_context_size_error`"),
    LLAMA_REST,
    END,
};
const struct fields fields_completion = { "POST /completion", completion };

static const struct field infill[] = {
    DONE("input_prefix", "must be there; a model that cannot: 501"),
    DONE("input_suffix", "must be there"),
    DONE("input_extra", NULL),
    DONE("prompt", "what the gap begins with"),
    LLAMA_REST,
    END,
};
const struct fields fields_infill = { "POST /infill", infill };

/* ---- Anthropic ---- */

static const struct field messages[] = {
    OPENAI_MODEL,
    DONE("messages", "`text`, `thinking`, `tool_use`, `tool_result`; the last one of the user"),
    DONE("max_tokens", "must be there"),
    DONE("system", NULL),
    DONE("stop_sequences", NULL),
    DONE("temperature", NULL),
    DONE("top_p", NULL),
    DONE("top_k", NULL),
    DONE("tools", "with `input_schema`"),
    DONE("tool_choice", NULL),
    DONE("thinking", "whether"),
    DONE("output_format", NULL),
    DONE("output_config.format", NULL),
    DONE("stream", NULL),
    IGNORED("metadata", NULL),
    IGNORED("service_tier", NULL),
    IGNORED("thinking.budget_tokens", NULL),
    IGNORED("output_config.effort", NULL),
    IGNORED("cache_control", "the cache finds what is alike by itself"),
    REFUSED("mcp_servers", LEAVE),
    REFUSED("container", LEAVE),
    REFUSED("context_management", LEAVE),
    END,
};
const struct fields fields_messages = { "POST /v1/messages", messages };

/* ---- Ollama ---- */

#define OLLAMA_REST                                                                                          \
    DONE("format", "`json`, a schema"), DONE("think", NULL), DONE("stream", "true where it is absent"),      \
        DONE("keep_alive", "[W104]; 0 without a question unloads"), DONE("options.temperature", NULL),       \
        DONE("options.top_k", NULL), DONE("options.top_p", NULL), DONE("options.min_p", NULL),               \
        DONE("options.seed", NULL), DONE("options.stop", NULL), DONE("options.num_predict", NULL),           \
        DONE("options.repeat_penalty", NULL), DONE("options.frequency_penalty", NULL),                       \
        DONE("options.presence_penalty", NULL), IGNORED("options.num_ctx", "the context is the server's"),   \
        IGNORED("options.num_keep", NULL), IGNORED("options.repeat_last_n", NULL),                           \
        IGNORED("options.num_gpu", NULL), IGNORED("options.num_thread", NULL)
#define OLLAMA_MODEL DONE("model", "with `:latest` or without; unknown: 404")

static const struct field ollama_chat[] = {
    OLLAMA_MODEL,
    DONE("messages", "`content`, `thinking`, `tool_calls`; not `images`"),
    DONE("tools", NULL),
    OLLAMA_REST,
    END,
};
const struct fields fields_ollama_chat = { "POST /api/chat", ollama_chat };

static const struct field ollama_generate[] = {
    OLLAMA_MODEL,
    DONE("prompt", NULL),
    DONE("system", NULL),
    DONE("raw", NULL),
    OLLAMA_REST,
    REFUSED("suffix", LEAVE),
    REFUSED("template", LEAVE),
    REFUSED("context", "use /api/chat, with the messages before"),
    REFUSED("images", "send text"),
    END,
};
const struct fields fields_ollama_generate = { "POST /api/generate", ollama_generate };

static const struct field ollama_embed[] = {
    OLLAMA_MODEL,
    DONE("input", "a text, texts, token ids, lists of them; without one the model is loaded"),
    DONE("truncate", "true where it is absent"),
    DONE("dimensions", "at most those of the model"),
    DONE("keep_alive", "[W104]"),
    IGNORED("options", NULL),
    END,
};
const struct fields fields_ollama_embed = { "POST /api/embed", ollama_embed };

static const struct field ollama_embeddings[] = {
    OLLAMA_MODEL,
    DONE("prompt", "without one the model is loaded"),
    DONE("keep_alive", "[W104]"),
    IGNORED("options", NULL),
    END,
};
const struct fields fields_ollama_embeddings = { "POST /api/embeddings", ollama_embeddings };

static const struct field ollama_pull[] = {
    DONE("model", "a file of a hub ([W102]); not the names of Ollama's own library"),
    DONE("stream", "true where it is absent"),
    IGNORED("insecure", NULL),
    END,
};
const struct fields fields_ollama_pull = { "POST /api/pull", ollama_pull };

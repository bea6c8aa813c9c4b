/* [E2] what is right is decoded, what is wrong is refused with a sentence and with the id. */
#include "common/command.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define GENERATE "{\"op\":\"generate\",\"id\":\"g\","
#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]"

static struct command *decode(const char *line) {
    struct command *command;
    struct fault fault;
    enum status status = command_decode(line, strlen(line), &command, &fault);
    if (status) {
        fail_msg("refused: %s", fault.text);
    }
    return command;
}

static void expect_refused(const char *line, const char *wanted_id, const char *wanted_text) {
    struct command *command;
    struct fault fault;
    assert_int_equal(command_decode(line, strlen(line), &command, &fault), STATUS_INVALID);
    assert_non_null(command);
    assert_string_equal(command->id ? command->id : "none", wanted_id);
    if (strstr(fault.text, wanted_text) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", fault.text, wanted_text);
    }
    command_free(command);
}

static void test_generate_has_the_defaults_of_the_protocol(void **state) {
    (void)state;
    struct command *command = decode(
        "{\"op\":\"generate\",\"id\":\"g1\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\",\"x\":1}]}");
    const struct generate *generate = &command->generate;
    assert_int_equal(command->op, COMMAND_GENERATE);
    assert_string_equal(command->id, "g1");
    assert_int_equal(generate->n_messages, 1);
    assert_string_equal(generate->messages[0].role, "user");
    assert_string_equal(generate->messages[0].content, "Hi");
    assert_int_equal(generate->max_tokens, -1);
    assert_int_equal(generate->n_stop, 0);
    assert_null(generate->cache_key);
    assert_false(generate->ignore_eos);
    assert_int_equal(generate->sampling.type, SAMPLER_CHAIN_FULL);
    assert_int_equal(generate->sampling.seed, -1);
    assert_int_equal(generate->sampling.top_k, 20);
    command_free(command);
}

static void test_generate_takes_all_its_fields(void **state) {
    (void)state;
    struct command *command =
        decode("{\"op\":\"generate\",\"id\":\"g1\",\"cache_key\":\"c\",\"messages\":[{\"role\":\"system\","
               "\"content\":\"\"},"
               "{\"role\":\"user\",\"content\":\"b\"}],\"sampling\":{\"sampler_type\":\"Mirostat\","
               "\"temperature\":0,"
               "\"top_p\":0.5,\"top_k\":3,\"min_p\":0.1,\"mirostat_tau\":4,\"mirostat_eta\":0.2,\"repeat_"
               "penalty\":1.1,"
               "\"seed\":42},\"max_tokens\":7,\"stop\":[\"a\",\"bb\"],\"ignore_eos\":true}");
    const struct generate *generate = &command->generate;
    assert_string_equal(generate->cache_key, "c");
    assert_int_equal(generate->n_messages, 2);
    assert_int_equal(generate->sampling.type, SAMPLER_MIROSTAT);
    assert_true(generate->sampling.temperature == 0 && generate->sampling.top_p == 0.5);
    assert_true(generate->sampling.min_p == 0.1 && generate->sampling.repeat_penalty == 1.1);
    assert_int_equal(generate->sampling.seed, 42);
    assert_int_equal(generate->max_tokens, 7);
    assert_int_equal(generate->n_stop, 2);
    assert_string_equal(generate->stop[1], "bb");
    assert_true(generate->ignore_eos);
    command_free(command);
}

/* [E21] */
static void test_generate_takes_a_prefix(void **state) {
    (void)state;
    struct command *command = decode(GENERATE MESSAGES ",\"prefix\":{\"tokens\":[3,-1,2147483647]}}");
    const struct generate *generate = &command->generate;
    assert_int_equal(generate->n_prefix_tokens, 3);
    assert_int_equal(generate->prefix_tokens[0], 3);
    assert_int_equal(generate->prefix_tokens[1], -1);
    assert_int_equal(generate->prefix_tokens[2], INT32_MAX);
    assert_null(generate->prefix_text);
    command_free(command);
    command = decode(GENERATE MESSAGES ",\"prefix\":{\"text\":\"said\",\"tokens\":null}}");
    assert_string_equal(command->generate.prefix_text, "said");
    assert_int_equal(command->generate.n_prefix_tokens, 0);
    command_free(command);
    command = decode(GENERATE MESSAGES ",\"prefix\":null}");
    assert_null(command->generate.prefix_text);
    command_free(command);
    expect_refused(GENERATE MESSAGES ",\"prefix\":[1]}", "g", "prefix");
    expect_refused(GENERATE MESSAGES ",\"prefix\":{}}", "g", "either");
    expect_refused(GENERATE MESSAGES ",\"prefix\":{\"tokens\":[],\"text\":\"\"}}", "g", "either");
    expect_refused(GENERATE MESSAGES ",\"prefix\":{\"tokens\":\"1\"}}", "g", "prefix.tokens");
    expect_refused(GENERATE MESSAGES ",\"prefix\":{\"tokens\":[1,-2]}}", "g", "prefix.tokens[1]");
    expect_refused(GENERATE MESSAGES ",\"prefix\":{\"tokens\":[2147483648]}}", "g", "prefix.tokens[0]");
    expect_refused(GENERATE MESSAGES ",\"prefix\":{\"tokens\":[1.5]}}", "g", "prefix.tokens[0]");
    expect_refused(GENERATE MESSAGES ",\"prefix\":{\"text\":7}}", "g", "text");
}

static void test_e56_an_answer_may_be_begun(void **state) {
    (void)state;
    struct command *command = decode(GENERATE MESSAGES ",\"begun\":\"said\"}");
    assert_string_equal(command->generate.begun, "said");
    command_free(command);
    command = decode(GENERATE MESSAGES "}");
    assert_null(command->generate.begun);
    command_free(command);
    expect_refused(GENERATE MESSAGES ",\"begun\":7}", "g", "begun");
    expect_refused(GENERATE "\"prompt\":\"a\",\"begun\":\"b\"}", "g", "together");
}

static void test_e52_e53_e54_generate_takes_parts_gaps_and_biases_of_texts(void **state) {
    (void)state;
    struct command *command = decode(GENERATE "\"prompt\":[7,\"a b\",2147483647],\"sampling\":"
                                              "{\"logit_bias\":[[7,-1.5],[\"x\",false]]}}");
    const struct generate *generate = &command->generate;
    assert_int_equal(json_array_size(generate->prompt_parts), 3);
    assert_string_equal(generate->prompt, "7 a b 2147483647");
    assert_string_equal(generate->messages[0].content, generate->prompt);
    assert_int_equal(generate->sampling.biases[0].token, 7);
    assert_null(generate->sampling.biases[0].text);
    assert_string_equal(generate->sampling.biases[1].text, "x");
    assert_true(isinf(generate->sampling.biases[1].bias));
    command_free(command);
    command = decode(GENERATE "\"infill\":{\"prefix\":\"a\",\"suffix\":\"b\",\"prompt\":\"c\",\"extra\":"
                              "[{\"text\":\"d\"}]}}");
    assert_non_null(command->generate.infill);
    assert_string_equal(command->generate.prompt, "a b c");
    command_free(command);
    expect_refused(GENERATE "\"prompt\":[]}", "g", "prompt");
    expect_refused(GENERATE "\"prompt\":[1,-2]}", "g", "prompt[1]");
    expect_refused(GENERATE "\"prompt\":[\"a\\u0000b\"]}", "g", "prompt[0]");
    expect_refused(GENERATE "\"prompt\":[2147483648]}", "g", "prompt[0]");
    expect_refused(GENERATE "\"infill\":3}", "g", "infill");
    expect_refused(GENERATE "\"infill\":{\"prefix\":3}}", "g", "prefix");
    expect_refused(GENERATE "\"infill\":{\"extra\":[{\"filename\":\"a\"}]}}", "g", "infill.extra[0]");
    expect_refused(GENERATE MESSAGES ",\"sampling\":{\"logit_bias\":[[7]]}}", "g", "logit_bias[0]");
    expect_refused(GENERATE MESSAGES ",\"sampling\":{\"logit_bias\":[[-7,1]]}}", "g", "logit_bias[0]");
}

static void test_e41_e42_generate_takes_constraints(void **state) {
    (void)state;
    struct command *command = decode(
        GENERATE
        "\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":null,"
        "\"tool_calls\":[]}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],"
        "\"tool_choice\":{\"name\":\"f\"},\"parallel_tool_calls\":false,\"reasoning\":\"off\",\"logprobs\":3,"
        "\"sampling\":{\"logit_bias\":{\"7\":-100,\"8\":1.5}}}");
    const struct generate *generate = &command->generate;
    assert_string_equal(generate->messages[1].content, "");
    assert_int_equal(json_array_size(generate->tools), 1);
    assert_int_equal(generate->tool_choice, TOOL_CHOICE_REQUIRED);
    assert_string_equal(generate->tool_name, "f");
    assert_false(generate->parallel_tool_calls || generate->reasoning);
    assert_int_equal(generate->n_logprobs, 3);
    assert_int_equal(generate->sampling.n_biases, 2);
    assert_int_equal(generate->sampling.biases[1].token, 8);
    command_free(command);
    command =
        decode(GENERATE MESSAGES ",\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"string\"}}}");
    assert_int_equal(command->generate.format, FORMAT_SCHEMA);
    assert_non_null(command->generate.schema);
    assert_int_equal(command->generate.n_logprobs, -1);
    command_free(command);
}

static void test_load_takes_its_options(void **state) {
    (void)state;
    struct command *command =
        decode("{\"op\":\"load\",\"model\":\"/m.gguf\",\"options\":{\"context_size\":512,"
               "\"slots\":4,\"threads\":2,\"step_ms\":90,\"speculation\":\"off\",\"gpu_layers\":0}}");
    assert_string_equal(command->model, "/m.gguf");
    assert_int_equal(command->load.context_size, 512);
    assert_int_equal(command->load.slots, 4);
    assert_int_equal(command->load.step_ms, 90);
    assert_int_equal(command->load.speculation, SPECULATION_OFF);
    assert_int_equal(command->load.gpu_layers, 0);
    command_free(command);
    command = decode("{\"op\":\"load\",\"model\":\"m\"}");
    assert_int_equal(command->load.gpu_layers, -1);
    assert_int_equal(command->load.context_size, 0);
    assert_int_equal(command->load.step_ms, 0);
    assert_int_equal(command->load.speculation, SPECULATION_AUTO);
    assert_null(command->load.cache_dir);
    assert_int_equal(command->load.cache_bytes, -1);
    assert_int_equal(command->load.kv_type, KV_TYPE_AUTO);
    command_free(command);
    expect_refused("{\"op\":\"load\",\"model\":\"m\",\"options\":{\"step_ms\":60001}}", "none", "step_ms");
    expect_refused("{\"op\":\"load\",\"model\":\"m\",\"options\":{\"speculation\":\"on\"}}", "none",
                   "auto, off or always");
    command = decode(
        "{\"op\":\"load\",\"model\":\"m\",\"options\":{\"kv_type\":\"q8_0\",\"flash_attention\":\"off\","
        "\"cache_dir\":\"/kv\",\"cache_bytes\":5000000000}}");
    assert_int_equal(command->load.kv_type, KV_TYPE_Q8_0);
    assert_int_equal(command->load.flash_attention, FLASH_ATTENTION_OFF);
    assert_string_equal(command->load.cache_dir, "/kv");
    assert_int_equal(command->load.cache_bytes, 5000000000);
    command_free(command);
}

/* [E32] [E33] [E35] */
static void test_drafts_and_wishes_to_forget(void **state) {
    (void)state;
    struct command *command = decode(
        "{\"op\":\"prefill\",\"id\":\"d\",\"cache_key\":\"c\",\"overflow\":\"drop_oldest\"," MESSAGES "}");
    assert_int_equal(command->op, COMMAND_PREFILL);
    assert_string_equal(command->generate.cache_key, "c");
    assert_int_equal(command->generate.overflow, OVERFLOW_DROP_OLDEST);
    assert_int_equal(command->generate.n_messages, 1);
    command_free(command);
    command = decode("{\"op\":\"forget\",\"cache_key\":\"c\",\"cache_dir\":\"/kv\"}");
    assert_int_equal(command->op, COMMAND_FORGET);
    assert_string_equal(command->load.cache_dir, "/kv");
    command_free(command);
    expect_refused("{\"op\":\"prefill\"," MESSAGES "}", "none", "\"id\" is missing");
    expect_refused("{\"op\":\"prefill\",\"id\":\"d\"}", "d", "messages");
    expect_refused("{\"op\":\"forget\"}", "none", "\"cache_key\" is missing");
}

static void test_e49_embed_takes_texts_and_tokens(void **state) {
    (void)state;
    struct command *command = decode(
        "{\"op\":\"embed\",\"id\":\"v\",\"inputs\":[\"a b\",[7,8]],\"truncate\":true,\"dimensions\":3}");
    assert_int_equal(command->op, COMMAND_EMBED);
    assert_int_equal(command->embed.n_inputs, 2);
    assert_string_equal(command->embed.inputs[0].text, "a b");
    assert_null(command->embed.inputs[1].text);
    assert_int_equal(command->embed.inputs[1].n_tokens, 2);
    assert_int_equal(command->embed.inputs[1].tokens[1], 8);
    assert_true(command->embed.truncate);
    assert_int_equal(command->embed.dimensions, 3);
    command_free(command);
    expect_refused("{\"op\":\"embed\",\"inputs\":[\"a\"]}", "none", "\"id\" is missing");
    expect_refused("{\"op\":\"embed\",\"id\":\"v\"}", "v", "1 to 16");
    expect_refused("{\"op\":\"embed\",\"id\":\"v\",\"inputs\":[[7],[]]}", "v", "inputs[1]");
    expect_refused("{\"op\":\"embed\",\"id\":\"v\",\"inputs\":[\"a\\u0000b\"]}", "v", "inputs[0]");
    expect_refused("{\"op\":\"embed\",\"id\":\"v\",\"inputs\":[\"a\"],\"dimensions\":-1}", "v", "dimensions");
}

static void test_an_unknown_op_is_ignored_whatever_it_has(void **state) {
    (void)state;
    struct command *command = decode("{\"op\":\"dance\",\"id\":17}");
    assert_int_equal(command->op, COMMAND_UNKNOWN);
    command_free(command);
}

static void test_wrong_fields_are_refused_with_the_id(void **state) {
    (void)state;
    expect_refused("{", "none", "JSON");
    expect_refused("[]", "none", "object");
    expect_refused("{\"id\":\"g\"}", "none", "\"op\" is missing");
    expect_refused("{\"op\":7}", "none", "\"op\" must be a string");
    expect_refused("{\"op\":\"generate\"," MESSAGES "}", "none", "\"id\" is missing");
    expect_refused("{\"op\":\"generate\",\"id\":\"\"," MESSAGES "}", "none", "\"id\"");
    expect_refused(GENERATE "\"messages\":[]}", "g", "messages");
    expect_refused(GENERATE "\"messages\":[1]}", "g", "messages[0]");
    expect_refused(GENERATE "\"messages\":[{\"role\":\"user\"}]}", "g", "content");
    expect_refused(GENERATE "\"messages\":[{\"role\":\"user\",\"content\":\"a\\u0000b\"}]}", "g", "U+0000");
    expect_refused(GENERATE MESSAGES ",\"sampling\":3}", "g", "sampling");
    expect_refused(GENERATE MESSAGES ",\"sampling\":{\"sampler_type\":\"Magic\"}}", "g", "sampler_type");
    expect_refused(GENERATE MESSAGES ",\"sampling\":{\"top_p\":2}}", "g", "top_p");
    expect_refused(GENERATE MESSAGES ",\"sampling\":{\"repeat_penalty\":0}}", "g", "repeat_penalty");
    expect_refused(GENERATE MESSAGES ",\"stop\":\"x\"}", "g", "stop");
    expect_refused(GENERATE MESSAGES ",\"stop\":[\"\"]}", "g", "stop[0]");
    expect_refused(GENERATE MESSAGES ",\"max_tokens\":-2}", "g", "max_tokens");
    expect_refused(GENERATE MESSAGES ",\"ignore_eos\":1}", "g", "ignore_eos");
    expect_refused(GENERATE MESSAGES ",\"overflow\":\"shift\"}", "g", "stop or drop_oldest");
    expect_refused(GENERATE MESSAGES ",\"sampling\":{\"logit_bias\":{\"x\":1}}}", "g", "not a token id");
    expect_refused(GENERATE MESSAGES ",\"sampling\":{\"logit_bias\":{\"7\":101}}}", "g", "-100 to 100");
    expect_refused(GENERATE MESSAGES ",\"sampling\":{\"presence_penalty\":3}}", "g", "presence_penalty");
    expect_refused(GENERATE MESSAGES ",\"format\":{\"type\":\"xml\"}}", "g", "format.type");
    expect_refused(GENERATE MESSAGES ",\"tools\":[{\"type\":\"other\"}]}", "g", "tools[0]");
    expect_refused(GENERATE MESSAGES ",\"tool_choice\":\"required\"}", "g", "no tools");
    expect_refused(GENERATE MESSAGES ",\"reasoning\":\"loud\"}", "g", "reasoning");
    expect_refused(GENERATE MESSAGES ",\"logprobs\":21}", "g", "logprobs");
    expect_refused("{\"op\":\"load\"}", "none", "\"model\" is missing");
    expect_refused("{\"op\":\"load\",\"model\":\"m\",\"options\":{\"slots\":1000}}", "none", "slots");
    expect_refused("{\"op\":\"load\",\"model\":\"m\",\"options\":{\"kv_type\":\"q4_0\"}}", "none",
                   "auto, f16 or q8_0");
    expect_refused("{\"op\":\"load\",\"model\":\"m\",\"options\":{\"cache_bytes\":-2}}", "none",
                   "cache_bytes");
    expect_refused("{\"op\":\"tokenize\",\"id\":\"t\"}", "t", "\"text\" is missing");
    expect_refused("{\"op\":\"cancel\"}", "none", "\"id\" is missing");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generate_has_the_defaults_of_the_protocol),
        cmocka_unit_test(test_generate_takes_all_its_fields),
        cmocka_unit_test(test_generate_takes_a_prefix),
        cmocka_unit_test(test_e56_an_answer_may_be_begun),
        cmocka_unit_test(test_e52_e53_e54_generate_takes_parts_gaps_and_biases_of_texts),
        cmocka_unit_test(test_e41_e42_generate_takes_constraints),
        cmocka_unit_test(test_load_takes_its_options),
        cmocka_unit_test(test_drafts_and_wishes_to_forget),
        cmocka_unit_test(test_e49_embed_takes_texts_and_tokens),
        cmocka_unit_test(test_an_unknown_op_is_ignored_whatever_it_has),
        cmocka_unit_test(test_wrong_fields_are_refused_with_the_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

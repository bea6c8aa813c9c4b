import { type FormEvent, useState } from "react";
import type { ConversationStore } from "../../chat/conversationStore";
import { fileTitle } from "../../protocol/frames";
import { DialogFoot } from "../../ui/DialogFoot";
import { DialogFrame } from "../../ui/DialogFrame";
import type { PopupProps } from "../../ui/lazily";
import { isModelFile, useBrowse } from "../models/useModels";
import { NumberInput, SelectInput, TextInput } from "../settings/FormFields";
import { faultOf } from "../settings/fields";
import { useClient } from "../useClient";
import { OWN_FIELDS, type OwnForm, ownErrors, ownFormOf, ownOf } from "./ownForm";
import "../settings/settings.css";

interface OwnDialogProps extends PopupProps {
    conversation: ConversationStore;
}

export default function OwnDialog({ isOpen, onClose, conversation }: OwnDialogProps) {
    return (
        <DialogFrame
            title="This conversation"
            className="dialog-sheet settings"
            testId="own"
            isOpen={isOpen}
            onClose={onClose}
        >
            {isOpen && <OwnFields conversation={conversation} onDone={onClose} />}
        </DialogFrame>
    );
}

function OwnFields({ conversation, onDone }: { conversation: ConversationStore; onDone: () => void }) {
    const client = useClient();
    const [before] = useState(() => conversation.get().own);
    const [form, setForm] = useState<OwnForm>(() => ownFormOf(before));
    const [failure, setFailure] = useState<string | null>(null);
    const errors = ownErrors(form);
    const hasErrors = Object.keys(errors).length > 0;
    const save = async (event: FormEvent) => {
        event.preventDefault();
        if (hasErrors) return;
        try {
            await client.changeOwn(conversation, ownOf(before, form));
            onDone();
        } catch (error) {
            setFailure(error instanceof Error ? error.message : String(error));
        }
    };
    return (
        <form className="settings-form" onSubmit={save} noValidate>
            <div className="settings-body">
                <p className="field-help">
                    For this conversation only, from the next answer on. What is empty is as in the settings.
                </p>
                <ModelChoice model={form.model} onChange={(model) => setForm({ ...form, model })} />
                <div className="field">
                    <label className="own-check">
                        <input
                            type="checkbox"
                            checked={form.hasPrompt}
                            data-testid="own-has-prompt"
                            onChange={(event) => setForm({ ...form, hasPrompt: event.target.checked })}
                        />
                        A system prompt of its own
                    </label>
                    {form.hasPrompt && (
                        <TextInput
                            label="System prompt"
                            isLabelHidden
                            rows={5}
                            placeholder="None: the model is told nothing before."
                            text={form.prompt}
                            error={errors.system_prompt}
                            testId="own-system_prompt"
                            onChange={(prompt) => setForm({ ...form, prompt })}
                        />
                    )}
                </div>
                {OWN_FIELDS.map((field) => (
                    <NumberInput
                        key={field.name}
                        field={field}
                        text={form.numbers[field.name] ?? ""}
                        error={errors[field.name]}
                        testId={`own-${field.name}`}
                        placeholder="as set"
                        onChange={(text) =>
                            setForm({ ...form, numbers: { ...form.numbers, [field.name]: text } })
                        }
                    />
                ))}
            </div>
            <DialogFoot
                failure={failure ?? faultOf(errors)}
                isReady={!hasErrors}
                saveTestId="own-save"
                onCancel={onDone}
            >
                <button
                    type="button"
                    className="text-button"
                    onClick={() => setForm(ownFormOf({ model: null, settings: null }))}
                >
                    As in the settings
                </button>
            </DialogFoot>
        </form>
    );
}

function ModelChoice({ model, onChange }: { model: string; onChange: (model: string) => void }) {
    const { result } = useBrowse();
    const names = (result?.files ?? [])
        .filter((file) => !file.isDirectory && isModelFile(file.name))
        .map((file) => file.name);
    if (model !== "" && !names.includes(model)) names.unshift(model);
    return (
        <div className="field">
            <SelectInput
                label="Model"
                choices={[
                    { value: "", label: "The one that is chosen above" },
                    ...names.map((name) => ({ value: name, label: fileTitle(name) })),
                ]}
                value={model}
                testId="own-model"
                onChange={onChange}
            />
        </div>
    );
}

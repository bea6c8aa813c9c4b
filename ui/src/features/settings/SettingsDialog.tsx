import { type FormEvent, useEffect, useRef, useState } from "react";
import { DialogFoot } from "../../ui/DialogFoot";
import { DialogFrame } from "../../ui/DialogFrame";
import type { PopupProps } from "../../ui/lazily";
import { showToast } from "../../ui/toasts";
import { useClient } from "../useClient";
import { BrowserSettings } from "./BrowserSettings";
import { DataSettings } from "./DataSettings";
import { NumberInput, SelectInput, TextInput } from "./FormFields";
import {
    CHOICE_FIELDS,
    changesOf,
    DEFAULT_FORM,
    errorsOf,
    faultOf,
    formOf,
    NUMBER_FIELDS,
    type NumberField,
    SAMPLERS,
    type SettingsForm,
    TEXT_LABELS,
} from "./fields";
import { SignedIn } from "./SignedIn";
import { useFilter } from "./useFilter";
import "./settings.css";

export default function SettingsDialog({ isOpen, onClose }: PopupProps) {
    return (
        <DialogFrame
            title="Settings"
            className="dialog-sheet settings"
            testId="settings"
            isOpen={isOpen}
            onClose={onClose}
        >
            <SignedIn />
            <SettingsBody onDone={onClose} />
        </DialogFrame>
    );
}

function SettingsBody({ onDone }: { onDone: () => void }) {
    const { rest } = useClient();
    const [saved, setSaved] = useState<SettingsForm | null>(null);
    const [failure, setFailure] = useState<string | null>(null);
    useEffect(() => {
        rest.config().then(
            (config) => setSaved(formOf(config)),
            (error: Error) => setFailure(error.message),
        );
    }, [rest]);
    if (failure)
        return (
            <p className="settings-failure" role="alert">
                {failure}
            </p>
        );
    if (!saved) return <p className="settings-wait">Reading the settings…</p>;
    return <SettingsFields saved={saved} onDone={onDone} />;
}

function SettingsFields({ saved, onDone }: { saved: SettingsForm; onDone: () => void }) {
    const client = useClient();
    const [form, setForm] = useState(saved);
    const [failure, setFailure] = useState<string | null>(null);
    const [isSaving, setSaving] = useState(false);
    const errors = errorsOf(form);
    const changes = changesOf(saved, form);
    const hasErrors = Object.keys(errors).length > 0;
    const isChanged = Object.keys(changes).length > 0;
    const isDefault = Object.keys(changesOf(DEFAULT_FORM, form)).length === 0;
    const [search, setSearch] = useState("");
    const body = useRef<HTMLDivElement>(null);
    useFilter(body, search);

    const save = async (event: FormEvent) => {
        event.preventDefault();
        if (hasErrors) return;
        if (!isChanged) return onDone();
        setSaving(true);
        try {
            client.configured(await client.rest.saveConfig(changes));
            showToast("Settings saved");
            onDone();
        } catch (error) {
            setFailure(error instanceof Error ? error.message : String(error));
            setSaving(false);
        }
    };

    return (
        <form className="settings-form" onSubmit={save} noValidate>
            <div className="settings-search">
                <input
                    type="search"
                    className="field-control"
                    placeholder="Search the settings"
                    aria-label="Search the settings"
                    autoComplete="off"
                    value={search}
                    data-testid="settings-search"
                    onChange={(event) => setSearch(event.target.value)}
                    onKeyDown={(event) => event.key === "Enter" && event.preventDefault()}
                />
            </div>
            <div className="settings-body" ref={body}>
                <BrowserSettings />
                <DataSettings />
                <h3>Answers</h3>
                <div className="field">
                    <TextInput
                        label={TEXT_LABELS.system_prompt}
                        help="Told to the model before every conversation."
                        rows={4}
                        placeholder="You are a helpful assistant."
                        text={form.systemPrompt}
                        error={errors.system_prompt}
                        testId="setting-system_prompt"
                        onChange={(systemPrompt) => setForm({ ...form, systemPrompt })}
                    />
                </div>
                <div className="field">
                    <SelectInput
                        label="Sampler"
                        choices={SAMPLERS}
                        value={form.sampler}
                        testId="setting-sampler_type"
                        onChange={(sampler) => setForm({ ...form, sampler })}
                    />
                </div>
                {NUMBER_FIELDS.filter((field) => isUsed(field, form.sampler)).map((field) => (
                    <NumberInput
                        key={field.name}
                        field={field}
                        text={form.numbers[field.name] ?? ""}
                        error={errors[field.name]}
                        testId={`setting-${field.name}`}
                        hasSlider={field.max <= SLIDER_MAX}
                        placeholder={field.special?.meaning}
                        onChange={(text) =>
                            setForm({ ...form, numbers: { ...form.numbers, [field.name]: text } })
                        }
                    />
                ))}
                <div className="field">
                    <TextInput
                        label={TEXT_LABELS.stop_tokens}
                        help="The answer ends before any of them. One a line; \n is a line break."
                        rows={2}
                        isCode
                        text={form.stops}
                        error={errors.stop_tokens}
                        testId="setting-stop_tokens"
                        onChange={(stops) => setForm({ ...form, stops })}
                    />
                </div>
                {CHOICE_FIELDS.map((field) => (
                    <div className="field" key={field.name}>
                        <SelectInput
                            label={field.label}
                            help={field.help}
                            choices={field.choices}
                            value={form.choices[field.name] ?? ""}
                            testId={`setting-${field.name}`}
                            onChange={(value) =>
                                setForm({ ...form, choices: { ...form.choices, [field.name]: value } })
                            }
                        />
                    </div>
                ))}
            </div>
            <DialogFoot
                failure={failure ?? faultOf(errors)}
                isReady={!hasErrors && isChanged && !isSaving}
                saveTestId="settings-save"
                onCancel={onDone}
            >
                <button
                    type="button"
                    className="text-button"
                    disabled={isDefault}
                    onClick={() => setForm(DEFAULT_FORM)}
                >
                    Back to defaults
                </button>
            </DialogFoot>
        </form>
    );
}

const SLIDER_MAX = 20;

const isUsed = (field: NumberField, sampler: string) =>
    !field.samplers || field.samplers.some((value) => value === sampler);

import { DialogFrame } from "../ui/DialogFrame";
import { keyNames } from "../ui/keys";
import type { PopupProps } from "../ui/lazily";
import { SHORTCUTS } from "./shortcuts";

export default function HelpDialog(props: PopupProps) {
    return (
        <DialogFrame title="Keyboard" className="help" testId="help" {...props}>
            <div className="help-body">
                {SHORTCUTS.map((group) => (
                    <section key={group.title}>
                        <h3>{group.title}</h3>
                        <dl>
                            {group.keys.map((shortcut) => (
                                <div key={shortcut.keys}>
                                    <dt>{shortcut.does}</dt>
                                    <dd>
                                        {keyNames(shortcut.keys).map((key) => (
                                            <kbd key={key}>{key}</kbd>
                                        ))}
                                    </dd>
                                </div>
                            ))}
                        </dl>
                    </section>
                ))}
            </div>
        </DialogFrame>
    );
}

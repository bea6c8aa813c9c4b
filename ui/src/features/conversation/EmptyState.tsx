import { Logo } from "../../ui/Logo";
import { ModelHelp } from "../models/ModelHelp";

export function EmptyState() {
    return (
        <div className="empty">
            <Logo size={44} />
            <h1>What would you like to ask?</h1>
            <ModelHelp />
        </div>
    );
}

namespace Marrow.Formats.ChatTemplates;

/// <summary>The names that are visible at a place; a loop or macro has its own inside another's.</summary>
internal sealed class TemplateScope(TemplateScope? outer = null)
{
    private readonly Dictionary<string, object?> _names = [];

    public object? this[string name]
    {
        set => _names[name] = value;
    }

    public object? Find(string name)
    {
        for (TemplateScope? scope = this; scope is not null; scope = scope.Outer)
            if (scope._names.TryGetValue(name, out object? value))
                return value;
        return new Undefined(name);
    }

    private TemplateScope? Outer => outer;
}

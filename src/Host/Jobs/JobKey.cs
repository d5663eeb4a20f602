using System.Globalization;
using System.Reflection;
using System.Text.Json;

namespace Marrow.Host.Jobs;

/// <summary>One key of the job file, as its property describes it.</summary>
internal sealed class JobKey
{
    public JobKey(string section, PropertyInfo property, KeyAttribute key, object defaults)
    {
        Property = property;
        Key = key;
        Section = section;
        Name = JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name);
        Default = key.Required ? null : property.GetValue(defaults);
    }

    public PropertyInfo Property { get; }

    public KeyAttribute Key { get; }

    /// <summary>"training".</summary>
    public string Section { get; }

    /// <summary>"learning_rate".</summary>
    public string Name { get; }

    /// <summary>"training.learning_rate".</summary>
    public string Path => $"{Section}.{Name}";

    /// <summary>The default; null for a required key and for one that may be null.</summary>
    public object? Default { get; }

    public bool MayBeNull => Default is null && !Key.Required;

    public Type Type => Nullable.GetUnderlyingType(Property.PropertyType) ?? Property.PropertyType;

    public bool AppliesTo(string method) => Key.Methods.Length == 0 || Key.Methods.Contains(method);

    public bool InRange(double value) =>
        (Key.AboveMin ? value > Key.Min : value >= Key.Min) && (Key.BelowMax ? value < Key.Max : value <= Key.Max);

    /// <summary>The allowed numbers in words.</summary>
    public string RangeText
    {
        get
        {
            string low = (Key.AboveMin ? "above " : "at least ") + Key.Min.ToString("R", CultureInfo.InvariantCulture);
            string high = (Key.BelowMax ? "below " : "at most ") + Key.Max.ToString("R", CultureInfo.InvariantCulture);
            return (double.IsInfinity(Key.Min), double.IsInfinity(Key.Max)) switch
            {
                (false, false) => $"{low} and {high}",
                (false, true) => low,
                _ => high,
            };
        }
    }
}
